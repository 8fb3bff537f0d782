"""Affiliate data of crypto exchanges in one Postgres warehouse: exact, nightly, aware of what is final."""
