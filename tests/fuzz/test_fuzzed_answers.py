"""Ten thousand answers of each exchange that it never documented: each row of each is told, or set aside, or has
another fate that is known; no answer brings anything down."""

from collections import Counter

import pytest

from etl.errors import StopRun
from etl.extract.request import decoded
from tests.examples import TIMES
from tests.fuzz.cases import Case, Outcome, cases, check, has_float, is_storable, normalised, outcome
from tests.fuzz.tables import TABLES

ANSWERS = 10_000 * TIMES
STREAMS = {"lbank": 8, "coinw": 2, "orderly": 2, "ztdx": 1}


async def told(case: Case) -> Outcome:
    """What became of an answer; whatever is no foreseen failure says of which."""
    try:
        return await outcome(case)
    except Exception as fault:
        raise AssertionError(str(case)) from fault


@pytest.mark.parametrize("source", STREAMS)
async def test_every_row_of_a_fuzzed_answer_is_accounted_for(source: str) -> None:
    ends: Counter[str] = Counter()
    fates: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for case in cases(source, ANSWERS):
        found = await told(case)
        ends[found.name] += 1
        if found.fault is not None:
            assert not isinstance(found.fault, StopRun), str(case)
            assert not found.late or is_storable(str(found.fault)), f"the message of {case}"
            continue
        used[case.seed.stream.name] += 1
        assert not has_float(decoded(case.answer.body))
        fates += check(case, found.rows, normalised(case, found.rows))
    assert fates.pop("raw") == fates.total()
    assert fates["rows"] > fates["rejects"] > ANSWERS / 10, "what goes wrong with rows is tried often"
    assert ends["believed"] > ANSWERS / 3 > ends["AnswerUnreadable"], "and what is wrong with all of an answer, less"
    assert len(used) == STREAMS[source]
    assert used.keys() <= TABLES.keys()
