"""Every stream of every source is held to its provider's page: declaration, request, response, README."""

import importlib
import re
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr, ValidationError

from etl.config import load
from etl.errors import ConfigurationError
from etl.extract.paging import first_page, told_total
from etl.extract.request import Answer, judged, raw_rows, window_drafts
from etl.normalize.rows import Context, new_fields, normalise, scope_of
from etl.sources import SOURCES
from etl.stream import Account, Field, OnePage, PageNumber, Roster, Source, Stream
from etl.windows import Days
from tests.sources.documented import Documented

HERE = Path(__file__).parent
README = HERE.parents[1] / "README.md"
PROVENANCE = {"account", "source", "run_id", "loaded_at", "removed_at", "is_final"}
EVERY_STREAM = [(source, stream) for source in SOURCES for stream in source.streams]

every_source = pytest.mark.parametrize("source", SOURCES, ids=[source.name for source in SOURCES])
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


def settings_of(source: Source) -> dict[str, Any]:
    return dict(importlib.import_module(f"tests.sources.{source.name}.expected").SETTINGS)


def account(source: Source) -> Account:
    return Account(
        name="sample",
        source=source,
        base_url=source.base_url,
        zone=ZoneInfo(source.day_zone),
        start_date=min(documented(source, stream).window.start for stream in source.streams),
        streams=source.streams,
        settings=source.settings.model_validate(settings_of(source)),
    )


def payload(source: Source, stream: Stream) -> Any:
    return judged(Answer(200, response(source, stream)), source)


def example_rows(source: Source, stream: Stream) -> list[Any]:
    rows = raw_rows(stream, payload(source, stream))
    assert rows, "an example without rows proves nothing"
    return rows


def context(source: Source, stream: Stream) -> Context:
    page = documented(source, stream)
    return Context(page.partition, page.window, ZoneInfo(source.day_zone), page.read_at)


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
def test_path_method_and_rate_are_as_documented(source: Source, stream: Stream) -> None:
    page = documented(source, stream)
    assert (stream.path, stream.method, stream.rate) == (page.path, page.method, page.rate)


@every_stream
def test_what_is_read_at_once_and_when_it_settles_is_as_documented(source: Source, stream: Stream) -> None:
    page = documented(source, stream)
    assert type(stream.reads) is page.reads
    assert getattr(stream.reads, "most_days", None) == page.most_days
    assert getattr(stream.reads, "settles_after", None) == page.settles_after


@every_stream
def test_the_documented_window_and_partition_are_ones_that_the_stream_asks_for(source: Source, stream: Stream) -> None:
    page = documented(source, stream)
    if page.reads.has_past:
        assert page.window in stream.reads.windows(Days((page.window,)), page.window.last)
    if not stream.needs_roster:
        keys = [[name for name, _ in each.values] for each in stream.fan_out(account(source), Roster())]
        assert [name for name, _ in page.partition.values] in keys


@every_stream
def test_a_partition_is_found_again_by_its_key(source: Source, stream: Stream) -> None:
    partition = documented(source, stream).partition
    assert stream.partitioned_by == tuple(name for name, _ in partition.values)
    assert stream.partition(partition.key) == partition


@every_stream
def test_every_documented_field_is_read_or_named_as_unread(source: Source, stream: Stream) -> None:
    rows = example_rows(source, stream)
    assert new_fields(stream, rows) == []
    assert new_fields(stream, [*rows, {**rows[0], "brandNew": 1}]) == ["brandNew"]
    read = {each.raw for into in stream.into for each in into.columns.values() if isinstance(each, Field)}
    assert not read & set(stream.unread)


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
        if stream.reads.has_past:
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
def test_what_the_response_tells_of_its_pages_is_read(source: Source, stream: Stream) -> None:
    page = documented(source, stream)
    assert told_total(stream.paging, payload(source, stream)) == page.total
    if isinstance(stream.paging, PageNumber):
        assert stream.paging.told_size(payload(source, stream)) == page.told_size


@every_stream
def test_every_field_that_is_read_is_in_the_documented_response(source: Source, stream: Stream) -> None:
    only_in_facts = documented(source, stream).only_in_facts
    for into in stream.into:
        [row, *_] = (part for raw in example_rows(source, stream) for part in (into.explode or _itself)(raw))
        read = {column.raw for column in into.columns.values() if isinstance(column, Field)}
        assert read - only_in_facts <= set(row)
        assert only_in_facts <= read


def _itself(raw: Any) -> list[Any]:
    return [raw]


@every_stream
def test_the_request_of_a_window_is_the_documented_one(source: Source, stream: Stream) -> None:
    page = documented(source, stream)
    asked = window_drafts(stream, account(source), page.partition, page.window)(first_page(stream.paging))
    assert (asked.method, asked.path) == (page.method, page.path)
    assert dict(asked.params) == page.request


@every_stream
def test_a_signed_request_asks_what_was_drafted_and_shows_no_secret(source: Source, stream: Stream) -> None:
    page, settings = documented(source, stream), account(source).settings
    draft = window_drafts(stream, account(source), page.partition, page.window)(first_page(stream.paging))
    request = source.sign(draft, settings, timestamp_ms=1772582400123, nonce="n" * 35)
    assert request.method == page.method
    assert request.target.partition("?")[0] == page.path
    sent = f"{request.target}{(request.body or b'').decode()}"
    assert all(name in sent for name in page.request)
    for secret in secrets(source):
        assert secret not in repr(request)
        assert secret not in repr(draft)


@every_stream
def test_every_required_parameter_is_sent_and_no_other_than_documented(source: Source, stream: Stream) -> None:
    page = documented(source, stream)
    required = {name for name, is_required in page.parameters.items() if is_required}
    assert required - set(page.request) == page.left_out
    assert set(page.request) <= set(page.parameters)


@every_stream
def test_the_documented_response_becomes_the_expected_rows(source: Source, stream: Stream) -> None:
    page = documented(source, stream)
    batches = normalise(stream, example_rows(source, stream), context(source, stream))
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
    note = stream.note(payload(source, stream)) if stream.note else None
    assert note == documented(source, stream).note


@every_stream
def test_a_reading_speaks_for_the_rows_that_it_brings(source: Source, stream: Stream) -> None:
    for batch in normalise(stream, example_rows(source, stream), context(source, stream)):
        page, table = documented(source, stream), batch.into.table.name
        speaks_for = scope_of(batch.into, context(source, stream))
        assert (None if batch.into.scope is None else speaks_for) == page.speaks_for.get(table, {})
        assert batch.into.mentions == page.mentions.get(table)
        for row in batch.rows:
            assert {name: row[name] for name in speaks_for} == speaks_for


@every_stream
def test_the_readme_names_the_stream(source: Source, stream: Stream) -> None:
    text = README.read_text(encoding="utf-8")
    if len(text.splitlines()) < 50:
        pytest.skip("the README does not list the streams yet")
    assert re.search(rf"\b{stream.name}\b", text), f"README.md does not name {source.name}.{stream.name}"


# ------------------------------------------------------------------------------------------------ the source


@every_source
def test_host_and_day_zone_are_those_that_facts_tells(source: Source) -> None:
    expected = importlib.import_module(f"tests.sources.{source.name}.expected")
    assert (source.base_url, source.day_zone) == (expected.BASE_URL, expected.DAY_ZONE)
    assert account(source).subject_id == expected.SUBJECT


@every_source
def test_the_cheap_check_is_a_request_that_a_page_documents(source: Source) -> None:
    draft = source.check(account(source).settings, date(2026, 3, 14))
    page = {each.path: each for each in (documented(source, stream) for stream in source.streams)}[draft.path]
    required = {name for name, is_required in page.parameters.items() if is_required}
    assert draft.method == page.method
    assert required - page.left_out <= set(draft.params) <= set(page.parameters)
    for stream in source.streams:
        if stream.path == draft.path and isinstance(stream.paging, PageNumber):
            assert (draft.params[stream.paging.page], draft.params[stream.paging.size]) == (1, 1)
    days = {str(value) for value in draft.params.values() if re.fullmatch(r"\d{4}-\d\d-\d\d", str(value))}
    assert days <= {"2026-03-14"}


def secrets(source: Source) -> list[str]:
    values = [value for _, value in account(source).settings if isinstance(value, SecretStr)]
    assert values
    return [value.get_secret_value() for value in values]


def assert_silent(source: Source, told: object) -> None:
    for secret in secrets(source):
        assert secret not in f"{told} {told!r}"


@every_source
def test_secrets_are_in_no_representation(source: Source) -> None:
    assert_silent(source, account(source))
    assert_silent(source, account(source).settings)


@every_source
def test_secrets_are_in_no_fault_of_the_settings(source: Source) -> None:
    given = settings_of(source)
    wrong = [
        {**given, "unknown": "x"},
        *({**given, name: 7} for name in given),
        *({**given, name: ""} for name in given),
    ]
    for settings in wrong:
        with pytest.raises(ValidationError) as caught:
            source.settings.model_validate(settings)
        assert_silent(source, caught.value)


@every_source
def test_the_settings_are_read_from_the_configuration_and_its_faults_tell_no_secret(
    source: Source, tmp_path: Path
) -> None:
    lines = [f'source = "{source.name}"', "start_date = 2026-01-01"]
    lines += [f"{name} = {value!r}" for name, value in settings_of(source).items()]
    path = tmp_path / "etl.toml"
    path.write_text("\n".join(["[accounts.sample]", *lines]), encoding="utf-8")
    [loaded] = load(path, SOURCES, {}).accounts
    assert loaded.settings == account(source).settings
    assert (loaded.base_url, loaded.zone.key) == (source.base_url, source.day_zone)
    path.write_text("\n".join(["[accounts.sample]", *lines, "unknown = 1"]), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load(path, SOURCES, {})
    assert caught.value.faults == ("etl.toml: accounts.sample.unknown: unknown key",)
    assert_silent(source, caught.value)
