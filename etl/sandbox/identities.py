"""What a person of a simulated world is called where no open id is known: numbers, accounts, wallets.

Made from the seed and the person's number alone, so that the same person is found again at every exchange.
"""

import zlib
from hashlib import sha256
from typing import Final

_LEAST_UID: Final = 100_000_000
_UIDS: Final = 900_000_000
_STEP: Final = 482_711_317  # prime: every number gets a uid of its own, in no order that the numbers have


def uid(seed: int, number: int) -> int:
    """A number of nine digits."""
    return _LEAST_UID + (number * _STEP + zlib.crc32(f"{seed}/uid".encode())) % _UIDS


def account_id(seed: int, number: int) -> str:
    """0x and 64 hexadecimal digits."""
    return f"0x{sha256(f'{seed}/{number}/account'.encode()).hexdigest()}"


def wallet_address(seed: int, number: int) -> str:
    """0x and 40 hexadecimal digits, in lower case."""
    return f"0x{sha256(f'{seed}/{number}/wallet'.encode()).hexdigest()[:40]}"
