"""Providers that are added for the time of a test, each as one file beside the real ones."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import etl.sources
from etl.sources import find_sources
from etl.stream import Source


@contextmanager
def added(folder: Path, **modules: str) -> Iterator[list[Source]]:
    """The sources that the registry finds once `folder`, with files of this code, belongs to etl.sources.

    The list is filled on entering; all traces are removed at the end."""
    for name, code in modules.items():
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    importlib.invalidate_caches()
    before = set(sys.modules)
    etl.sources.__path__.append(str(folder))
    try:
        yield list(find_sources(etl.sources.__path__))
    finally:
        etl.sources.__path__.remove(str(folder))
        for name in set(sys.modules) - before:
            if name.startswith("etl.sources."):
                del sys.modules[name]
                vars(etl.sources).pop(name.rpartition(".")[2], None)
