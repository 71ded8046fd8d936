"""Where the configuration that comes with labd lies."""

from __future__ import annotations

from pathlib import Path


def shipped_config() -> Path:
    """The directory with labd.toml and star5/: in an installed package, or beside it in a checkout.

    Raises FileNotFoundError where a package was built without it.
    """
    package = Path(__file__).parent
    for directory in (package / "_config", package.parent / "config"):
        if (directory / "labd.toml").is_file():
            return directory
    raise FileNotFoundError(f"labd was installed without its configuration ({package / '_config'})")
