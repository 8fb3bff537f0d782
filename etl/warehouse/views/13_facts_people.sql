-- What people moved and have, and the log of referrals. An instant falls on the day that it is in the account's zone.
CREATE OR REPLACE VIEW bi.fct_transfers AS
SELECT f.account, f.source, f.transfer_id, local.day, f.invitee_id, f.invitee_level, f.kind, f.direction,
    f.kind_label, f.asset, f.amount, f.status, f.sub_status, f.created_at, f.updated_at, f.order_id,
    local.day::timestamp AT TIME ZONE here.zone AS day_start_utc,
    (local.day + 1)::timestamp AT TIME ZONE here.zone AS day_end_utc,
    f.run_id, f.loaded_at
FROM warehouse.transfer f
LEFT JOIN ops.account a USING (account)
CROSS JOIN LATERAL (SELECT coalesce(a.day_zone, 'UTC') AS zone) here
CROSS JOIN LATERAL (SELECT (f.created_at AT TIME ZONE here.zone)::date AS day) local
WHERE f.removed_at IS NULL;

COMMENT ON VIEW bi.fct_transfers IS
'Deposits, withdrawals, OTC trades and internal transfers of people, of every status';

COMMENT ON COLUMN bi.fct_transfers.account IS
'The account, as named in etl.toml; the key of dim_accounts';

COMMENT ON COLUMN bi.fct_transfers.source IS
'The exchange: lbank, coinw, orderly or ztdx';

COMMENT ON COLUMN bi.fct_transfers.transfer_id IS
'The transfer: a hash of what never changes of it, and an ordinal where several are alike';

COMMENT ON COLUMN bi.fct_transfers.day IS
'The day of created_at in the account''s day zone; dim_dates.day';

COMMENT ON COLUMN bi.fct_transfers.invitee_id IS
'The person; with account the key of dim_invitees';

COMMENT ON COLUMN bi.fct_transfers.invitee_level IS
'The person''s level as the transfer tells it: 0 an invitee, 1 to 21 an agent, 99 a regular user';

COMMENT ON COLUMN bi.fct_transfers.kind IS
'How it was asked for, such as IN_DEPOSIT, OUT_WITHDRAW, IN_OTC_BUY or OUT_INNER_TRANSFER_OUT';

COMMENT ON COLUMN bi.fct_transfers.direction IS
'in: to the person''s account; out: from it';

COMMENT ON COLUMN bi.fct_transfers.kind_label IS
'The source''s own words for the kind';

COMMENT ON COLUMN bi.fct_transfers.asset IS
'The coin, upper case';

COMMENT ON COLUMN bi.fct_transfers.amount IS
'How much of the coin; never negative, the direction says which way';

COMMENT ON COLUMN bi.fct_transfers.status IS
'The source''s status; only completed ones (in any case of letters) have moved money';

COMMENT ON COLUMN bi.fct_transfers.sub_status IS
'The source''s details of the status';

COMMENT ON COLUMN bi.fct_transfers.created_at IS
'When it was made';

COMMENT ON COLUMN bi.fct_transfers.updated_at IS
'When the source last changed it';

COMMENT ON COLUMN bi.fct_transfers.order_id IS
'The source''s number of a withdrawal';

COMMENT ON COLUMN bi.fct_transfers.day_start_utc IS
'When the day began: midnight in the account''s day zone, as an instant';

COMMENT ON COLUMN bi.fct_transfers.day_end_utc IS
'When the day ended, which is when the next one began; instants of the day lie before it';

COMMENT ON COLUMN bi.fct_transfers.run_id IS
'The run that last changed the row';

COMMENT ON COLUMN bi.fct_transfers.loaded_at IS
'When the reading that last changed the row began';

CREATE OR REPLACE VIEW bi.fct_balance_days AS
SELECT f.account, f.source, f.invitee_id, f.day, f.spot_assets, f.spot_assets_usdt, f.futures_assets,
    f.futures_bonus,
    f.day::timestamp AT TIME ZONE here.zone AS day_start_utc,
    (f.day + 1)::timestamp AT TIME ZONE here.zone AS day_end_utc,
    f.day < (now() AT TIME ZONE here.zone)::date AS is_final, f.run_id, f.loaded_at
FROM warehouse.invitee_balance_day f
LEFT JOIN ops.account a USING (account)
CROSS JOIN LATERAL (SELECT coalesce(a.day_zone, 'UTC') AS zone) here
WHERE f.removed_at IS NULL;

COMMENT ON VIEW bi.fct_balance_days IS
'What people had, as the last reading of a day told it. A stock, not a flow: add it over people, never over days';

COMMENT ON COLUMN bi.fct_balance_days.account IS
'The account, as named in etl.toml; the key of dim_accounts';

COMMENT ON COLUMN bi.fct_balance_days.source IS
'The exchange: lbank, coinw, orderly or ztdx';

COMMENT ON COLUMN bi.fct_balance_days.invitee_id IS
'The person; with account the key of dim_invitees';

COMMENT ON COLUMN bi.fct_balance_days.day IS
'The day of the reading in the account''s day zone; dim_dates.day. Days without a reading have no row';

COMMENT ON COLUMN bi.fct_balance_days.spot_assets IS
'Total spot assets, as the source values them';

COMMENT ON COLUMN bi.fct_balance_days.spot_assets_usdt IS
'USDT among them';

COMMENT ON COLUMN bi.fct_balance_days.futures_assets IS
'Total futures assets';

COMMENT ON COLUMN bi.fct_balance_days.futures_bonus IS
'Bonus among the futures assets';

COMMENT ON COLUMN bi.fct_balance_days.day_start_utc IS
'When the day began: midnight in the account''s day zone, as an instant';

COMMENT ON COLUMN bi.fct_balance_days.day_end_utc IS
'When the day ended, which is when the next one began; instants of the day lie before it';

COMMENT ON COLUMN bi.fct_balance_days.is_final IS
'Whether the day has passed in the account''s day zone, so that no reading can replace the row. The source never settles balances: nobody vouches that it is the day''s last balance';

COMMENT ON COLUMN bi.fct_balance_days.run_id IS
'The run that last changed the row';

COMMENT ON COLUMN bi.fct_balance_days.loaded_at IS
'When the reading that last changed the row began';

CREATE OR REPLACE VIEW bi.fct_referral_events AS
SELECT f.account, f.source, f.event_id, local.day, f.action, f.target_address, f.referral_code, f.amount,
    f.old_value, f.new_value, f.occurred_at,
    local.day::timestamp AT TIME ZONE here.zone AS day_start_utc,
    (local.day + 1)::timestamp AT TIME ZONE here.zone AS day_end_utc,
    f.run_id, f.loaded_at
FROM warehouse.referral_event f
LEFT JOIN ops.account a USING (account)
CROSS JOIN LATERAL (SELECT coalesce(a.day_zone, 'UTC') AS zone) here
CROSS JOIN LATERAL (SELECT (f.occurred_at AT TIME ZONE here.zone)::date AS day) local
WHERE f.removed_at IS NULL;

COMMENT ON VIEW bi.fct_referral_events IS
'The log of referrals (ZTDX): codes made, people bound, rebound and unbound, earnings claimed';

COMMENT ON COLUMN bi.fct_referral_events.account IS
'The account, as named in etl.toml; the key of dim_accounts';

COMMENT ON COLUMN bi.fct_referral_events.source IS
'The exchange: lbank, coinw, orderly or ztdx';

COMMENT ON COLUMN bi.fct_referral_events.event_id IS
'The event''s id at the source';

COMMENT ON COLUMN bi.fct_referral_events.day IS
'The day of occurred_at in the account''s day zone; dim_dates.day';

COMMENT ON COLUMN bi.fct_referral_events.action IS
'create_code, bind, rebind, unbind or claim';

COMMENT ON COLUMN bi.fct_referral_events.target_address IS
'The wallet it is about, such as that of the person who was bound';

COMMENT ON COLUMN bi.fct_referral_events.referral_code IS
'The referral code it is about';

COMMENT ON COLUMN bi.fct_referral_events.amount IS
'The amount it is about; of a claim what was claimed, in USDT';

COMMENT ON COLUMN bi.fct_referral_events.old_value IS
'What was before; of a rebind the old referrer''s code';

COMMENT ON COLUMN bi.fct_referral_events.new_value IS
'What came after; of a rebind the new referrer''s code';

COMMENT ON COLUMN bi.fct_referral_events.occurred_at IS
'When it happened';

COMMENT ON COLUMN bi.fct_referral_events.day_start_utc IS
'When the day began: midnight in the account''s day zone, as an instant';

COMMENT ON COLUMN bi.fct_referral_events.day_end_utc IS
'When the day ended, which is when the next one began; instants of the day lie before it';

COMMENT ON COLUMN bi.fct_referral_events.run_id IS
'The run that last changed the row';

COMMENT ON COLUMN bi.fct_referral_events.loaded_at IS
'When the reading that last changed the row began';
