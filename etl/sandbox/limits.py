"""The sliding window in which a simulated exchange counts requests, refused ones included."""

from collections import defaultdict, deque
from collections.abc import Callable


class SlidingWindow:
    """At most `requests` in any `period_seconds`, per key; 0 is no limit. `monotonic` tells the seconds."""

    def __init__(self, requests: int, period_seconds: float, *, monotonic: Callable[[], float]) -> None:
        self.requests = requests
        self.period_seconds = period_seconds
        self.monotonic = monotonic
        self._arrivals: dict[tuple[str, str], deque[float]] = defaultdict(deque)

    def arrive(self, api_key: str, path: str) -> tuple[float, bool]:
        """Counts a request; tells when it came and whether it is let in.

        One at time t is refused if `requests` others lie within (t - period, t].
        """
        at = self.monotonic()
        arrivals = self._arrivals[api_key, path]
        while arrivals and arrivals[0] <= at - self.period_seconds:
            arrivals.popleft()
        let_in = self.requests == 0 or len(arrivals) < self.requests
        arrivals.append(at)
        return at, let_in
