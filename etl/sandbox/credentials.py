"""The credentials that the simulated exchanges know. Made up; they open nothing but the sandbox."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from etl.sandbox.invitees import ACTIVITIES
from etl.sandbox.world import AFFILIATE_ID

API_KEY: Final = "5a4db0c5-0000-4000-8000-5a4db0c50001"
SECRET_KEY: Final = "SANDBOXSECRET0000000000000000001"  # noqa: S105
OPEN_ID: Final = AFFILIATE_ID

COINW_API_KEY: Final = "5a4db0c5-0000-4000-8000-5a4db0c50002"
COINW_SECRET_KEY: Final = "SANDBOXSECRETCOINW00000000000000000002"  # noqa: S105
COINW_ACTIVITIES: Final = ACTIVITIES

ORDERLY_ACCOUNT_ID: Final = "0x5a4db0c55a4db0c55a4db0c55a4db0c55a4db0c55a4db0c55a4db0c55a4db0c5"
# Base58 of the seed: the 32 bytes "SANDBOXSECRETORDERLY000000000003".
ORDERLY_SECRET_KEY: Final = "ed25519:6bzbYhxKHa5py9fdf3FRGN2C2oQEwf9KRnghhnur9gp2"  # noqa: S105

ZTDX_API_KEY: Final = "5a4db0c5-0000-4000-8000-5a4db0c50004"
ZTDX_SECRET_KEY: Final = "SANDBOXSECRETZTDX000000000000004"  # noqa: S105
ZTDX_TOKEN_SECRET: Final = "SANDBOXSECRETZTDXTOKEN0000000005"  # noqa: S105
ZTDX_SUBJECT: Final = "0x5a4db0c55a4db0c55a4db0c55a4db0c55a4db0c5"


def ztdx_token(expires_at: datetime) -> str:
    """A bearer token of the sandbox's ZTDX: a JWT signed with HS256, good until that instant."""
    head = _part({"alg": "HS256", "typ": "JWT"})
    claims = _part({"sub": ZTDX_SUBJECT, "exp": int(expires_at.timestamp())})
    signature = hmac.digest(ZTDX_TOKEN_SECRET.encode(), f"{head}.{claims}".encode(), hashlib.sha256)
    return f"{head}.{claims}.{_unpadded(signature)}"


def _part(content: Mapping[str, object]) -> str:
    return _unpadded(json.dumps(content, separators=(",", ":")).encode())


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
