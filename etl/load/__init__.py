"""Writes what was read: rows, raw pages, requests, rejects and coverage of a window in one transaction.

Imports the nouns, the schema and the errors, no other stage.
"""
