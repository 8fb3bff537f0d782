"""How many examples property tests try. `ETL_EXAMPLES=10` tries ten times as many, other ones in each run."""

import os

from hypothesis import HealthCheck, settings

PROFILE = "suite"
TIMES = max(int(os.environ.get("ETL_EXAMPLES", "1")), 1)

settings.register_profile(
    PROFILE,
    max_examples=100 * TIMES,
    derandomize=TIMES == 1,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)


def examples(count: int, *, suppress: tuple[HealthCheck, ...] = ()) -> settings:
    """The settings of a test that tries `count` examples, or as many times that as are asked for."""
    return settings(max_examples=count * TIMES, suppress_health_check=[HealthCheck.too_slow, *suppress])
