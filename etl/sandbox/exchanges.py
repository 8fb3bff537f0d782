"""Opens the simulated exchanges with the sandbox's credentials, and says how often each lets itself be asked."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from etl.sandbox import credentials
from etl.sandbox.coinw.access import CoinwAccess
from etl.sandbox.coinw.protocol import CoinW
from etl.sandbox.orderly.access import OrderlyAccess
from etl.sandbox.orderly.protocol import Orderly
from etl.sandbox.world import World
from etl.sandbox.ztdx.access import ZtdxAccess
from etl.sandbox.ztdx.protocol import ZTDX

Clock = Callable[[], datetime] | None

# Requests and seconds, for each credential and path.
RATES: Final[Mapping[str, tuple[int, float]]] = {
    "lbank": (5, 10.0),
    "coinw": (20, 10.0),
    "orderly": (10, 1.0),
    "ztdx": (1, 1.0),
}


def open_coinw(world: World, clock: Clock, *, freshness_seconds: float) -> CoinW:
    """CoinW for the one key pair that it knows."""
    access = CoinwAccess(
        api_key=credentials.COINW_API_KEY,
        secret_key=credentials.COINW_SECRET_KEY,
        clock=clock,
        freshness_seconds=freshness_seconds,
    )
    return CoinW(world, access)


def open_orderly(world: World, clock: Clock) -> Orderly:
    """Orderly for the one account that it knows."""
    access = OrderlyAccess(
        account_id=credentials.ORDERLY_ACCOUNT_ID, secret_key=credentials.ORDERLY_SECRET_KEY, clock=clock
    )
    return Orderly(world, access)


def open_ztdx(world: World, clock: Clock, *, freshness_seconds: float) -> ZTDX:
    """ZTDX for its own tokens and the one key pair that it knows."""
    access = ZtdxAccess(
        token_secret=credentials.ZTDX_TOKEN_SECRET,
        api_key=credentials.ZTDX_API_KEY,
        secret_key=credentials.ZTDX_SECRET_KEY,
        clock=clock,
        freshness_seconds=freshness_seconds,
    )
    return ZTDX(world, access)


def rsa_key(given: RSAPublicKey | str | None) -> RSAPublicKey | None:
    """The key itself, read from PEM where it is given as text."""
    if not isinstance(given, str):
        return given
    key = load_pem_public_key(given.encode())
    if not isinstance(key, RSAPublicKey):
        raise TypeError("rsa_public_key is not an RSA key")
    return key
