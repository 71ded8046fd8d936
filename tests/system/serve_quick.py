"""labd with a quick rack: the real daemon, of which only the worker's module is another one."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from labd import pulse, supervisor
from labd.cli.daemon import prepare_process
from labd.config import Config, read_config
from labd.daemon import Daemon
from labd.journal import start_logging
from labd.store import database


def main() -> None:
    config_path, state_dir, listen = sys.argv[1:4]
    here = str(Path(__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    synchronous = os.environ.get("LABD_TEST_SYNCHRONOUS")
    if synchronous is not None:
        database.SYNCHRONOUS = synchronous
    prepare_process()
    start_logging("info")
    pulse.PING_EVERY_S = float(os.environ.get("QUICK_PING_S", pulse.PING_EVERY_S))

    opening_s = os.environ.get("QUICK_OPENING_S", supervisor.OPENING_LIMIT_S)
    supervisor.OPENING_LIMIT_S = float(opening_s)

    def read() -> Config:
        return read_config(Path(config_path), state_dir=Path(state_dir), listen=listen)

    def on_ready(address: str) -> None:
        print(f"labd ready on http://{address}/star5", flush=True)

    rack_module = os.environ.get("LABD_RACK_MODULE", "quick_rack")
    daemon = Daemon(read(), read, is_verbose=True, rack_module=rack_module)
    asyncio.run(daemon.run(on_ready))


if __name__ == "__main__":
    main()
