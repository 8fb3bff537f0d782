"""Finds secrets in files that others than their owner may read. Imports nothing of the project; `config` calls it."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, SecretStr

_TELLING = 8
"""A secret of so many characters stands nowhere by chance; a shorter one counts only as a whole value."""


def secrets_of(settings: BaseModel) -> Iterator[str]:
    """The secrets among settings; of a DSN only its password, as it is written and as it is meant."""
    for _, value in settings:
        if isinstance(value, SecretStr):
            secret = value.get_secret_value()
            yield from _passwords(secret) if "://" in secret else (secret,)


def exposed(path: Path, document: Any, files: Iterable[Path], *, secrets: Collection[str]) -> tuple[str, ...]:
    """A warning for each file that holds one of the secrets in plain and may be read by its group or by everyone: the
    configuration `path`, whose unresolved content is `document`, and the `files` that its keys name."""
    held = [(path, _read(path), set(_values(document)))]
    held += [(file, text, set(_values(text.strip()))) for file, text in ((file, _read(file)) for file in files)]
    return tuple(
        f"{file} holds secrets and may be read by others than its owner (mode {mode:04o}): chmod 600 {file}"
        for file, text, values in held
        if (mode := _open_mode(file)) and _holds(text, values, secrets)
    )


def _holds(text: str, values: Collection[str], secrets: Iterable[str]) -> bool:
    return any(secret in values or (len(secret) >= _TELLING and secret in text) for secret in secrets)


def _open_mode(file: Path) -> int | None:
    """The permissions of a file that others may read; None where they may not, or the system has none."""
    if os.name != "posix":
        return None
    with suppress(OSError):
        mode = stat.S_IMODE(file.stat().st_mode)
        return mode if mode & (stat.S_IRGRP | stat.S_IROTH) else None
    return None


def _read(file: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return file.read_text(encoding="utf-8")
    return ""


def _values(value: Any) -> Iterator[str]:
    """Every text in a document, and the password of one that is a DSN."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _values(inner)
    elif isinstance(value, str):
        yield value
        yield from _passwords(value)


def _passwords(dsn: str) -> Iterator[str]:
    with suppress(ValueError):
        address = urlsplit(dsn)
        if address.password:
            yield from (address.password, unquote(address.password))
        yield from parse_qs(address.query).get("password", ())
