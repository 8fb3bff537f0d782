"""Simulated exchanges on loopback HTTP, for the demo, tests and development.

A second, independent reading of the providers' documents: nothing here imports the rest of `etl`.
"""

from etl.sandbox.server import API_KEY, OPEN_ID, SECRET_KEY, RequestEntry, Sandbox, serve
from etl.sandbox.world import World

__all__ = ["API_KEY", "OPEN_ID", "SECRET_KEY", "RequestEntry", "Sandbox", "World", "serve"]
