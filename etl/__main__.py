"""The `etl` command: answers interruptions from its first moment, also while the program is still being imported."""

from __future__ import annotations

import os
import signal


def main() -> None:
    """Runs the command line. Until a command takes over, SIGINT and SIGTERM end the process with exit code 130."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(130))
    from etl.cli import main as command_line  # noqa: PLC0415  # importing takes half a second: handlers come first

    command_line()


if __name__ == "__main__":
    main()
