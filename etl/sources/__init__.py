"""The providers: a module each, or a folder with `auth` (signing), `streams` (declarations) and `__init__`.

A provider is found by lying here: its module has a `SOURCE`. Only `cli` hands the registry on.
"""

import pkgutil
from collections.abc import Sequence
from importlib import import_module

from etl.stream import Source


def find_sources(path: Sequence[str]) -> tuple[Source, ...]:
    """The `SOURCE` of every module and package in the folders of `path`, in the order of the modules' names.

    Raises ImportError where a module has none, or two modules or two sources have the same name."""
    modules = [module.name for folder in dict.fromkeys(path) for module in pkgutil.iter_modules([folder])]
    sources: dict[str, str] = {}
    found: list[Source] = []
    for name in sorted(modules):
        source = getattr(import_module(f"{__name__}.{name}"), "SOURCE", None)
        if not isinstance(source, Source):
            fault = f"{__name__}.{name} has no SOURCE; every module there declares one provider"
            raise ImportError(fault)  # noqa: TRY004  # what is wrong is the module
        if source.name in sources:
            raise ImportError(
                f"source {source.name!r} is declared twice, by the modules {sources[source.name]} and {name}"
            )
        sources[source.name] = name
        found.append(source)
    return tuple(found)


SOURCES: tuple[Source, ...] = find_sources(__path__)
