-- The facts of trading and of what it earned: the rows of a table as they are, without those that the source took back.
-- No join may bring more than one row, so that a sum over a view is the sum over its table.
CREATE OR REPLACE VIEW bi.fct_trade_days AS
SELECT f.account, f.source, f.scope, f.subject_id, f.market, f.day, f.volume, f.fee,
    f.day::timestamp AT TIME ZONE here.zone AS day_start_utc,
    (f.day + 1)::timestamp AT TIME ZONE here.zone AS day_end_utc,
    f.is_final, f.run_id, f.loaded_at
FROM warehouse.trade_day f
LEFT JOIN ops.account a USING (account)
CROSS JOIN LATERAL (SELECT coalesce(a.day_zone, 'UTC') AS zone) here
WHERE f.removed_at IS NULL;

COMMENT ON VIEW bi.fct_trade_days IS
'Volume and fees per person or team, market and day. Filter by scope: member and team tell the same trades';

COMMENT ON COLUMN bi.fct_trade_days.account IS
'The account, as named in etl.toml; the key of dim_accounts';

COMMENT ON COLUMN bi.fct_trade_days.source IS
'The exchange: lbank, coinw, orderly or ztdx';

COMMENT ON COLUMN bi.fct_trade_days.scope IS
'member: one person alone; team: a person and everyone below. Never add the two: a team''s volume holds its members''';

COMMENT ON COLUMN bi.fct_trade_days.subject_id IS
'The person, or the person whose team it is; with account the key of dim_invitees';

COMMENT ON COLUMN bi.fct_trade_days.market IS
'spot or futures; all where the source does not split. A sum over markets is right for every account';

COMMENT ON COLUMN bi.fct_trade_days.day IS
'The day in the day zone of the account''s source; dim_dates.day';

COMMENT ON COLUMN bi.fct_trade_days.volume IS
'What was traded, in the source''s unit of account (US dollars or USDT)';

COMMENT ON COLUMN bi.fct_trade_days.fee IS
'The fees paid for it; null where the source tells none (CoinW)';

COMMENT ON COLUMN bi.fct_trade_days.day_start_utc IS
'When the day began: midnight in the account''s day zone, as an instant';

COMMENT ON COLUMN bi.fct_trade_days.day_end_utc IS
'When the day ended, which is when the next one began; instants of the day lie before it';

COMMENT ON COLUMN bi.fct_trade_days.is_final IS
'Whether the source had settled the day when it was read; if false the row may still change';

COMMENT ON COLUMN bi.fct_trade_days.run_id IS
'The run that last changed the row';

COMMENT ON COLUMN bi.fct_trade_days.loaded_at IS
'When the reading that last changed the row began';

CREATE OR REPLACE VIEW bi.fct_commission_days AS
SELECT f.account, f.source, f.recipient_id, f.market, f.coin, f.day, f.amount, f.amount_usdt,
    f.day::timestamp AT TIME ZONE here.zone AS day_start_utc,
    (f.day + 1)::timestamp AT TIME ZONE here.zone AS day_end_utc,
    f.is_final, f.run_id, f.loaded_at
FROM warehouse.commission_day f
LEFT JOIN ops.account a USING (account)
CROSS JOIN LATERAL (SELECT coalesce(a.day_zone, 'UTC') AS zone) here
WHERE f.removed_at IS NULL;

COMMENT ON VIEW bi.fct_commission_days IS
'Commission per recipient, market, coin and day of trading';

COMMENT ON COLUMN bi.fct_commission_days.account IS
'The account, as named in etl.toml; the key of dim_accounts';

COMMENT ON COLUMN bi.fct_commission_days.source IS
'The exchange: lbank, coinw, orderly or ztdx';

COMMENT ON COLUMN bi.fct_commission_days.recipient_id IS
'Who earned it, the affiliate or an agent; with account the key of dim_invitees';

COMMENT ON COLUMN bi.fct_commission_days.market IS
'spot or futures';

COMMENT ON COLUMN bi.fct_commission_days.coin IS
'The coin it was paid in, upper case';

COMMENT ON COLUMN bi.fct_commission_days.day IS
'The day of the trades it was earned with, in the day zone of the account''s source; dim_dates.day';

COMMENT ON COLUMN bi.fct_commission_days.amount IS
'How much of the coin';

COMMENT ON COLUMN bi.fct_commission_days.amount_usdt IS
'Its value in USDT as the source tells it; it may be 0 or null beside an amount, see daily_performance.commission_usdt';

COMMENT ON COLUMN bi.fct_commission_days.day_start_utc IS
'When the day began: midnight in the account''s day zone, as an instant';

COMMENT ON COLUMN bi.fct_commission_days.day_end_utc IS
'When the day ended, which is when the next one began; instants of the day lie before it';

COMMENT ON COLUMN bi.fct_commission_days.is_final IS
'Whether the source had settled the day when it was read; if false the row may still change';

COMMENT ON COLUMN bi.fct_commission_days.run_id IS
'The run that last changed the row';

COMMENT ON COLUMN bi.fct_commission_days.loaded_at IS
'When the reading that last changed the row began';

CREATE OR REPLACE VIEW bi.fct_futures_turnover AS
SELECT f.account, f.source, f.subject_id, f.scope, f.symbol, f.day, f.turnover, f.fee,
    f.day::timestamp AT TIME ZONE here.zone AS day_start_utc,
    (f.day + 1)::timestamp AT TIME ZONE here.zone AS day_end_utc,
    f.is_final, f.run_id, f.loaded_at
FROM warehouse.futures_turnover f
LEFT JOIN ops.account a USING (account)
CROSS JOIN LATERAL (SELECT coalesce(a.day_zone, 'UTC') AS zone) here
WHERE f.removed_at IS NULL;

COMMENT ON VIEW bi.fct_futures_turnover IS
'Futures turnover of a scope of people per day, as the source adds it up: a check of fct_trade_days, never to be added to it';

COMMENT ON COLUMN bi.fct_futures_turnover.account IS
'The account, as named in etl.toml; the key of dim_accounts';

COMMENT ON COLUMN bi.fct_futures_turnover.source IS
'The exchange: lbank, coinw, orderly or ztdx';

COMMENT ON COLUMN bi.fct_futures_turnover.subject_id IS
'The person whose people it is about; with account the key of dim_invitees';

COMMENT ON COLUMN bi.fct_futures_turnover.scope IS
'Whose turnover it is: SELF own, SUB direct invitees, SELF_SUB both, ALL every level. Never add scopes: each holds others';

COMMENT ON COLUMN bi.fct_futures_turnover.symbol IS
'The trading pair; empty for all pairs together, never to be added to single pairs';

COMMENT ON COLUMN bi.fct_futures_turnover.day IS
'The day in the day zone of the account''s source; dim_dates.day';

COMMENT ON COLUMN bi.fct_futures_turnover.turnover IS
'Futures turnover of these people';

COMMENT ON COLUMN bi.fct_futures_turnover.fee IS
'The fees they paid for it';

COMMENT ON COLUMN bi.fct_futures_turnover.day_start_utc IS
'When the day began: midnight in the account''s day zone, as an instant';

COMMENT ON COLUMN bi.fct_futures_turnover.day_end_utc IS
'When the day ended, which is when the next one began; instants of the day lie before it';

COMMENT ON COLUMN bi.fct_futures_turnover.is_final IS
'Whether the source had settled the day when it was read; if false the row may still change';

COMMENT ON COLUMN bi.fct_futures_turnover.run_id IS
'The run that last changed the row';

COMMENT ON COLUMN bi.fct_futures_turnover.loaded_at IS
'When the reading that last changed the row began';
