-- What changed after it was final. Old and new values are text, since they may be of any column.
CREATE OR REPLACE VIEW bi.restatements AS
SELECT r.restated_at, r.account, r.source, r.table_name,
    coalesce(r.key ->> 'day', r.key ->> 'period_start')::date AS day,
    coalesce(r.key ->> 'invitee_id', r.key ->> 'subject_id', r.key ->> 'recipient_id') AS invitee_id,
    r.key, r.column_name, r.old_value, r.new_value,
    CASE WHEN r.old_value ~ '^-?[0-9]+(\.[0-9]+)?$' AND r.new_value ~ '^-?[0-9]+(\.[0-9]+)?$'
        THEN r.new_value::numeric - r.old_value::numeric END AS change,
    r.run_id, r.restatement_id
FROM ops.restatement r
WHERE r.was_final;

COMMENT ON VIEW bi.restatements IS
'What the source changed after the day was final: one row per value. Rows are never taken back, so a value may have several';

COMMENT ON COLUMN bi.restatements.restated_at IS
'When the reading that showed the change began';

COMMENT ON COLUMN bi.restatements.account IS
'The account, as named in etl.toml';

COMMENT ON COLUMN bi.restatements.source IS
'The exchange: lbank, coinw, orderly or ztdx';

COMMENT ON COLUMN bi.restatements.table_name IS
'The table of the warehouse: commission_day is bi.fct_commission_days, and so on';

COMMENT ON COLUMN bi.restatements.day IS
'The day of the fact, or the first day of its period';

COMMENT ON COLUMN bi.restatements.invitee_id IS
'The person the fact is about; null for facts of the whole account';

COMMENT ON COLUMN bi.restatements.key IS
'The whole key of the fact, such as market and coin';

COMMENT ON COLUMN bi.restatements.column_name IS
'The column that changed; removed_at: the source took the whole row back, or, if new_value is null, returned it';

COMMENT ON COLUMN bi.restatements.old_value IS
'What it was when it was final';

COMMENT ON COLUMN bi.restatements.new_value IS
'What it is since';

COMMENT ON COLUMN bi.restatements.change IS
'new_value less old_value where both are numbers';

COMMENT ON COLUMN bi.restatements.run_id IS
'The run that read it';

COMMENT ON COLUMN bi.restatements.restatement_id IS
'The restatement; the key';
