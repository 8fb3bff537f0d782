"""The accounts of the simulated exchanges as TOML, the way a program that reads them is told of them."""

import json
from collections.abc import Iterable, Mapping
from datetime import date

Account = Mapping[str, str | list[str]]


def accounts_toml(
    accounts: Mapping[str, Account],
    *,
    base_url: str,
    start_date: date,
    suffix: str,
    rate_limits: Mapping[str, tuple[int, float]],
) -> str:
    """One table for each source, called `<source>-<suffix>`; a rate limit is (requests, seconds)."""
    return "\n".join(
        "\n".join(_table(source, account, base_url, start_date, suffix=suffix, limit=rate_limits.get(source))) + "\n"
        for source, account in accounts.items()
    )


def _table(
    source: str,
    account: Account,
    base_url: str,
    start_date: date,
    *,
    suffix: str,
    limit: tuple[int, float] | None,
) -> Iterable[str]:
    yield f"[accounts.{source}-{suffix}]"
    yield f'source = "{source}"'
    yield f'base_url = "{base_url}"'
    yield f"start_date = {start_date.isoformat()}"
    for name, value in account.items():
        yield f"{name} = {json.dumps(value)}"
    if limit:
        yield f"rate_limit = {{ requests = {limit[0]}, period_seconds = {limit[1]} }}"
