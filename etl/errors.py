"""Every failure the pipeline can name, grouped by what happens next.

    EtlError
    ├── StopRun                     the whole command ends
    │   ├── ConfigurationError          exit 2: fix etl.toml or the command line
    │   ├── WarehouseUnreachable        exit 3: start Postgres, or check the DSN
    │   └── WarehouseNotMigrated        exit 3: run `etl migrate`
    ├── FailAccount                 this account ends, the others go on
    │   ├── AccessRefused               credentials, IP allow-list or permission
    │   ├── ExchangeDown                none of the first requests was answered
    │   └── AccountHeld                 exit 4: another run talks for the account
    ├── FailWindow                  this window stays due, the others go on
    │   ├── RequestRefused              the provider calls a parameter wrong
    │   ├── AnswerUnreadable            the answer is not of the documented shape
    │   ├── EndpointClosed              so do the endpoint's other windows
    │   ├── UnstablePages               the pages moved at every reading
    │   └── SuspiciousRemoval           a re-reading would remove most loaded rows
    ├── TryAgain                    passing: wait, then ask again (bounded)
    │   ├── RateLimited                 the provider counts too many requests
    │   ├── Replayed                    the provider's replay filter; once more is enough
    │   ├── ProviderBusy                5xx, or the provider's own "system error"
    │   └── ConnectionBroken            time-out, reset, truncated body
    └── SetRowAside                 this row becomes a reject, the others load

Anyone may import this module; it imports nothing of the project.
"""

from __future__ import annotations


class EtlError(Exception):
    """A failure that the pipeline foresees; its message is for the person who runs it."""


class StopRun(EtlError):
    """The whole command ends."""


class ConfigurationError(StopRun):
    """The configuration or the command line cannot be used; `faults` holds all that is wrong, one sentence each."""

    def __init__(self, *faults: str) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


class WarehouseUnreachable(StopRun):
    """Postgres does not answer, or went away."""


class WarehouseNotMigrated(StopRun):
    """The warehouse's tables are missing or older than this program."""


class FailAccount(EtlError):
    """One account cannot go on; the others can."""


class AccessRefused(FailAccount):
    """The provider refuses the account: wrong credentials, IP not on the allow-list, or no permission."""


class ExchangeDown(FailAccount):
    """None of the account's first requests was answered; all is left for the next run."""


class AccountHeld(FailAccount):
    """Another run holds the account's lease."""


class FailWindow(EtlError):
    """One window could not be read; it stays due."""


class RequestRefused(FailWindow):
    """The provider calls the request's parameters wrong; asking again the same way cannot help."""


class AnswerUnreadable(FailWindow):
    """The answer is not of the documented shape."""


class EndpointClosed(FailWindow):
    """The provider has closed the endpoint; its other windows are not asked for in this run."""


class UnstablePages(FailWindow):
    """The pages of the window changed at every reading."""


class SuspiciousRemoval(FailWindow):
    """A re-reading would remove more than half of the window's loaded rows."""


class TryAgain(EtlError):
    """A passing failure. `delay_seconds` is how long the provider asks to wait, if it says."""

    def __init__(self, message: str, *, delay_seconds: float | None = None) -> None:
        self.delay_seconds = delay_seconds
        super().__init__(message)


class RateLimited(TryAgain):
    """The provider counts too many requests."""


class Replayed(TryAgain):
    """The provider has seen this request's nonce before; one fresh request is enough."""


class ProviderBusy(TryAgain):
    """The provider reports a failure of its own."""


class ConnectionBroken(TryAgain):
    """No whole answer arrived: time-out, broken connection, truncated body."""


class SetRowAside(EtlError):
    """A raw row cannot be read exactly: `column` is the raw field, `reason` says what is wrong with it."""

    def __init__(self, column: str, reason: str) -> None:
        self.column = column
        self.reason = reason
        super().__init__(f"{column}: {reason}")
