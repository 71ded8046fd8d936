"""labd with a quick rack: the real daemon, of which only the worker's module is another one."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from labd.cli.daemon import log_to_stderr_or_journal, prepare_process
from labd.config import read_config
from labd.daemon import Daemon
from labd.log_lines import use_format


def main() -> None:
    config_path, state_dir, listen = sys.argv[1:4]
    here = str(Path(__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    prepare_process()
    log_to_stderr_or_journal("INFO")
    config = read_config(Path(config_path), state_dir=Path(state_dir), listen=listen)
    use_format(config.server.log_format)

    def on_ready(address: str) -> None:
        print(f"labd ready on http://{address}/star5", flush=True)

    asyncio.run(Daemon(config, rack_module="quick_rack").run(on_ready))


if __name__ == "__main__":
    main()
