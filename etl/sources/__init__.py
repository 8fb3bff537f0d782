"""The providers. A folder each: `auth` signs, `streams` declares the endpoints, `__init__` ties them to a Source.

An explicit tuple is the registry; only `cli` hands it on.
"""

from etl.sources.lbank import LBANK
from etl.stream import Source

SOURCES: tuple[Source, ...] = (LBANK,)
