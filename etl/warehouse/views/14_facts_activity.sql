-- CoinW's activities: the futures trades of fct_trade_days once more, month by month and day by day.
CREATE OR REPLACE VIEW bi.fct_activity_periods AS
SELECT f.account, f.source, f.activity_id, f.invitee_id, f.period_start, f.period_end, f.transfer_in,
    f.transfer_out, f.net_transfer_in, f.volume, f.profit, f.roi_pct, f.initial_net_value,
    f.period_start::timestamp AT TIME ZONE here.zone AS day_start_utc,
    (f.period_end + 1)::timestamp AT TIME ZONE here.zone AS day_end_utc,
    f.is_final, f.run_id, f.loaded_at
FROM warehouse.activity_period f
LEFT JOIN ops.account a USING (account)
CROSS JOIN LATERAL (SELECT coalesce(a.day_zone, 'UTC') AS zone) here
WHERE f.removed_at IS NULL;

COMMENT ON VIEW bi.fct_activity_periods IS
'A person''s futures activity in an activity''s period, a calendar month. Tells trades again that fct_trade_days has: never add the two';

COMMENT ON COLUMN bi.fct_activity_periods.account IS
'The account, as named in etl.toml; the key of dim_accounts';

COMMENT ON COLUMN bi.fct_activity_periods.source IS
'The exchange: lbank, coinw, orderly or ztdx';

COMMENT ON COLUMN bi.fct_activity_periods.activity_id IS
'The activity, as named in etl.toml';

COMMENT ON COLUMN bi.fct_activity_periods.invitee_id IS
'The person; with account the key of dim_invitees';

COMMENT ON COLUMN bi.fct_activity_periods.period_start IS
'The first day of the period in the day zone of the account''s source; dim_dates.day';

COMMENT ON COLUMN bi.fct_activity_periods.period_end IS
'The last day of the period';

COMMENT ON COLUMN bi.fct_activity_periods.transfer_in IS
'Moved into the futures account in the period';

COMMENT ON COLUMN bi.fct_activity_periods.transfer_out IS
'Moved out of the futures account in the period';

COMMENT ON COLUMN bi.fct_activity_periods.net_transfer_in IS
'The source''s own difference of the two';

COMMENT ON COLUMN bi.fct_activity_periods.volume IS
'Futures volume of the period; fct_trade_days holds it already';

COMMENT ON COLUMN bi.fct_activity_periods.profit IS
'Futures profit of the period';

COMMENT ON COLUMN bi.fct_activity_periods.roi_pct IS
'contractRoi as CoinW sends it, not to be added or averaged. Percent or fraction? In its document''s sample it is profit / initial_net_value, not times 100: reckon it from those two where it matters';

COMMENT ON COLUMN bi.fct_activity_periods.initial_net_value IS
'Net value of the futures account at the start of the period';

COMMENT ON COLUMN bi.fct_activity_periods.day_start_utc IS
'When the first day of the period began: midnight in the account''s day zone, as an instant';

COMMENT ON COLUMN bi.fct_activity_periods.day_end_utc IS
'When the last day of the period ended, which is when the next one began; instants of the period lie before it';

COMMENT ON COLUMN bi.fct_activity_periods.is_final IS
'Whether the source had settled the whole period when it was read; if false the row may still change';

COMMENT ON COLUMN bi.fct_activity_periods.run_id IS
'The run that last changed the row';

COMMENT ON COLUMN bi.fct_activity_periods.loaded_at IS
'When the reading that last changed the row began';

CREATE OR REPLACE VIEW bi.fct_activity_days AS
SELECT f.account, f.source, f.activity_id, f.invitee_id, f.day, f.transfer_in, f.transfer_out, f.volume,
    f.day::timestamp AT TIME ZONE here.zone AS day_start_utc,
    (f.day + 1)::timestamp AT TIME ZONE here.zone AS day_end_utc,
    f.is_final, f.run_id, f.loaded_at
FROM warehouse.activity_day f
LEFT JOIN ops.account a USING (account)
CROSS JOIN LATERAL (SELECT coalesce(a.day_zone, 'UTC') AS zone) here
WHERE f.removed_at IS NULL;

COMMENT ON VIEW bi.fct_activity_days IS
'A person''s futures activity in an activity per day. Tells trades again that fct_trade_days has, and fct_activity_periods by month: never add them';

COMMENT ON COLUMN bi.fct_activity_days.account IS
'The account, as named in etl.toml; the key of dim_accounts';

COMMENT ON COLUMN bi.fct_activity_days.source IS
'The exchange: lbank, coinw, orderly or ztdx';

COMMENT ON COLUMN bi.fct_activity_days.activity_id IS
'The activity, as named in etl.toml';

COMMENT ON COLUMN bi.fct_activity_days.invitee_id IS
'The person; with account the key of dim_invitees';

COMMENT ON COLUMN bi.fct_activity_days.day IS
'The day in the day zone of the account''s source; dim_dates.day';

COMMENT ON COLUMN bi.fct_activity_days.transfer_in IS
'Moved into the futures account on the day';

COMMENT ON COLUMN bi.fct_activity_days.transfer_out IS
'Moved out of the futures account on the day';

COMMENT ON COLUMN bi.fct_activity_days.volume IS
'Futures volume of the day; fct_trade_days holds it already';

COMMENT ON COLUMN bi.fct_activity_days.day_start_utc IS
'When the day began: midnight in the account''s day zone, as an instant';

COMMENT ON COLUMN bi.fct_activity_days.day_end_utc IS
'When the day ended, which is when the next one began; instants of the day lie before it';

COMMENT ON COLUMN bi.fct_activity_days.is_final IS
'Whether the source had settled the day when it was read; if false the row may still change';

COMMENT ON COLUMN bi.fct_activity_days.run_id IS
'The run that last changed the row';

COMMENT ON COLUMN bi.fct_activity_days.loaded_at IS
'When the reading that last changed the row began';
