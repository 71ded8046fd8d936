"""Run an entry point that does not outlive the process that started it.

``python -m labd.cli.tethered PARENT_PID SIGNAL MODULE:FUNCTION ARGUMENT...``: Linux sends SIGNAL to
this process when its parent dies, however it dies, so nothing is left running after a `kill -9`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from importlib import import_module

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie, check that the parent has not died before, run."""
    parent_pid, signal_name, target, *arguments = sys.argv[1:]
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.Signals[signal_name]) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != int(parent_pid):
        sys.exit("the parent process died before its child began")
    module, _, function = target.partition(":")
    sys.argv = [module, *arguments]
    sys.exit(getattr(import_module(module), function)())


if __name__ == "__main__":
    main()
