"""What people and programs see: text and bars on a terminal, one JSON object per line on stderr elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import stamina.instrumentation
import structlog
from rich.console import Console

from etl.errors import ConfigurationError, EtlError
from etl.sync.progress import Bars, JsonLines, Progress

_WIDE = 180
"""Columns of a table that goes into a file or another program, where nothing says how wide it may be."""

out = Console(width=None if sys.stdout.isatty() else _WIDE)
err = Console(stderr=True)


class _AsEvents(logging.Handler):
    """Passes records of the standard library's loggers on as events."""

    def emit(self, record: logging.LogRecord) -> None:
        tell(record.levelname.lower(), record.getMessage())


def set_up() -> None:
    """Configures logging for the process; called once, by the command line."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_AsEvents()], force=True)
    for library in ("asyncio", "asyncpg"):  # what concerns a person arrives as an error of ours
        logging.getLogger(library).setLevel(logging.CRITICAL)
    # Every try is recorded by the client; stamina's own log lines would only repeat it.
    stamina.instrumentation.set_on_retry_hooks([])


def tell(level: str, message: str) -> None:
    """Says one thing on stderr."""
    if err.is_terminal:
        style = {"error": "red", "warning": "yellow"}.get(level)
        err.print(message, style=style, markup=False, highlight=False)
    else:
        getattr(structlog.get_logger(), "error" if level == "critical" else level)(message)


def tell_error(error: EtlError) -> None:
    """Says why a command ended, every fault of a configuration in a line of its own."""
    for message in error.faults if isinstance(error, ConfigurationError) else [str(error)]:
        tell("error", message)


@contextmanager
def progress() -> Iterator[Progress]:
    """Bars on a terminal, JSON lines elsewhere."""
    if not err.is_terminal:
        yield JsonLines()
        return
    bars = Bars(err)
    try:
        yield bars
    finally:
        bars.close()
