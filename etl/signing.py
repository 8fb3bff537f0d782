"""What the signatures and credentials of several providers have in common. Imports `stream` only."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator, SecretStr

from etl.stream import Params


def encoded(params: Params) -> str:
    """The parameters as a query, encoded once: the text that is signed is the one that is sent."""
    return "&".join(f"{name}={quote(str(value), safe='')}" for name, value in params.items())


def _fits_a_header(key: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", key.get_secret_value()):
        raise ValueError(
            "must be of letters, digits and signs only, without a word like Bearer before it: it is sent as a header"
        )
    return key


HeaderSecret = Annotated[SecretStr, AfterValidator(_fits_a_header)]
"""A credential that travels in a header as it is."""
