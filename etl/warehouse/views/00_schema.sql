-- The files of this folder run in the order of their names after every `etl migrate`, each statement on its own.
-- A statement ends with a semicolon at the end of a line, and nowhere else may a line end with one.
-- CREATE OR REPLACE VIEW keeps the rights that readers were given. It refuses to rename, retype, reorder or drop a
-- column: such a change needs a DROP VIEW IF EXISTS before it, which takes those rights away (bi_reader gets its own
-- back after these files). For that, no view of `bi` reads another one; and a migration that drops or retypes a column
-- drops the views that read it first.
CREATE SCHEMA IF NOT EXISTS bi;

COMMENT ON SCHEMA bi IS 'The views that people and BI tools query; rows the source no longer returns are left out';
