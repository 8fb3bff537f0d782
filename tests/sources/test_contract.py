"""Every stream of every source is held to its provider's page: declaration, request, response, README."""

import importlib
import json
import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from etl.extract.request import Answer, judged, raw_rows, window_drafts
from etl.normalize.rows import Context, normalise
from etl.sources import SOURCES
from etl.stream import Account, Daily, Field, OnePage, Source, Stream
from tests.sources.documented import Documented

HERE = Path(__file__).parent
README = HERE.parents[1] / "README.md"
PROVENANCE = {"account", "source", "run_id", "loaded_at", "removed_at", "is_final"}
EVERY_STREAM = [(source, stream) for source in SOURCES for stream in source.streams]

every_stream = pytest.mark.parametrize(
    ("source", "stream"), [pytest.param(*pair, id=f"{pair[0].name}.{pair[1].name}") for pair in EVERY_STREAM]
)


def documented(source: Source, stream: Stream) -> Documented:
    """What the provider's page says of the stream."""
    found = importlib.import_module(f"tests.sources.{source.name}.expected").STREAMS[stream.name]
    assert isinstance(found, Documented)
    return found


def response(source: Source, stream: Stream) -> bytes:
    """The page's response example."""
    return (HERE / source.name / f"{stream.name}.json").read_bytes()


def account(source: Source) -> Account:
    settings = importlib.import_module(f"tests.sources.{source.name}.expected").SETTINGS
    return Account(
        name="sample",
        source=source,
        base_url=source.base_url,
        zone=ZoneInfo(source.day_zone),
        start_date=min(documented(source, stream).window.start for stream in source.streams),
        streams=source.streams,
        settings=source.settings.model_validate(settings),
    )


def example_rows(source: Source, stream: Stream) -> list[Any]:
    return raw_rows(stream, judged(Answer(200, response(source, stream)), source))


def typed(row: dict[str, Any]) -> dict[str, str]:
    """Types and digits beside the values: 0 and False are equal, and so are 0.0 and 0.0000."""
    return {name: repr(value) for name, value in row.items()}


def test_the_pages_of_every_source_are_those_of_its_streams() -> None:
    for source in SOURCES:
        pages = importlib.import_module(f"tests.sources.{source.name}.expected").STREAMS
        assert set(pages) == {stream.name for stream in source.streams}


def test_names_are_snake_case_and_unique() -> None:
    names = [f"{source.name}.{stream.name}" for source, stream in EVERY_STREAM]
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(r"[a-z][a-z0-9]*\.[a-z][a-z0-9]*(_[a-z0-9]+)*", name)


@every_stream
def test_path_and_rate_are_as_documented(source: Source, stream: Stream) -> None:
    page = documented(source, stream)
    assert (stream.path, stream.rate) == (page.path, page.rate)


@every_stream
def test_every_key_column_is_mapped_and_every_mapped_column_exists(source: Source, stream: Stream) -> None:
    for into in stream.into:
        written = {*into.columns, *into.finish_adds}
        keys = {column.name for column in into.table.primary_key} - {"account"}
        assert keys <= written
        assert written <= {column.name for column in into.table.c} - PROVENANCE
        assert not set(into.columns) & set(into.finish_adds)
        assert bool(into.finish) == bool(into.finish_adds)


@every_stream
def test_scope_window_and_mentions_are_mapped_columns(source: Source, stream: Stream) -> None:
    for into in stream.into:
        named = {*(into.scope or {}), *filter(None, [into.within, into.mentions])}
        assert named <= set(into.columns)
        if isinstance(stream.reads, Daily):
            assert into.within is not None, "a reading of days must say which of its rows it speaks for"
    if stream.revisit is not None:
        assert all(stream.revisit.names in into.columns for into in stream.into)


@every_stream
def test_a_paged_stream_tells_its_rows_apart_by_fields_that_they_have(source: Source, stream: Stream) -> None:
    if isinstance(stream.paging, OnePage):
        return
    assert stream.row_key
    for row in example_rows(source, stream):
        assert set(stream.row_key) <= set(row)


@every_stream
def test_every_field_that_is_read_is_in_the_documented_response(source: Source, stream: Stream) -> None:
    data = json.loads(response(source, stream))["data"]
    row = data[0] if isinstance(data, list) else data
    for into in stream.into:
        read = {column.raw for column in into.columns.values() if isinstance(column, Field)}
        assert read <= set(row)


@every_stream
def test_the_request_of_a_window_is_the_documented_one(source: Source, stream: Stream) -> None:
    page = documented(source, stream)
    draft = window_drafts(stream, account(source), page.partition, page.window)
    first = {} if isinstance(stream.paging, OnePage) else {stream.paging.start: 0, stream.paging.size: 100}
    asked = draft(first)
    assert (asked.method, asked.path) == ("GET", page.path)
    assert asked.params == page.request


@every_stream
def test_every_required_parameter_is_sent_and_no_other_than_documented(source: Source, stream: Stream) -> None:
    page = documented(source, stream)
    required = {name for name, is_required in page.parameters.items() if is_required}
    assert required - set(page.request) == page.left_out
    assert set(page.request) <= set(page.parameters)


@every_stream
def test_the_documented_response_becomes_the_expected_rows(source: Source, stream: Stream) -> None:
    page = documented(source, stream)
    context = Context(page.partition, page.window, ZoneInfo(source.day_zone), page.read_at)
    batches = normalise(stream, example_rows(source, stream), context)
    assert [reject for batch in batches for reject in batch.rejects] == []
    assert [batch.into.table.name for batch in batches] == list(page.rows)
    for batch in batches:
        added = set(batch.into.finish_adds)
        found = [{name: value for name, value in row.items() if name not in added} for row in batch.rows]
        expected = [dict(row) for row in page.rows[batch.into.table.name]]
        assert found == expected
        assert [typed(row) for row in found] == [typed(row) for row in expected]
        assert all(row[name] for row in batch.rows for name in added)


@every_stream
def test_what_a_response_says_instead_of_rows_is_noted(source: Source, stream: Stream) -> None:
    payload = judged(Answer(200, response(source, stream)), source)
    assert (stream.note(payload) if stream.note else None) == documented(source, stream).note


@every_stream
def test_the_readme_names_the_stream(source: Source, stream: Stream) -> None:
    text = README.read_text(encoding="utf-8")
    if len(text.splitlines()) < 50:
        pytest.skip("the README does not list the streams yet")
    assert re.search(rf"\b{stream.name}\b", text), f"README.md does not name {source.name}.{stream.name}"
