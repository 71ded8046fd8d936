"""What things may be called."""

from __future__ import annotations

import re

USER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
"""A user's name: short, in lower case, without a character that needs quoting anywhere."""
UID_NAME = re.compile(r"uid\d+")
"""Kept for local accounts whose own name is taken or no user's name: uid1000 is account 1000."""
