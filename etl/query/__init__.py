"""Reads the warehouse for people: named .sql files and typed readers. Writes nothing."""
