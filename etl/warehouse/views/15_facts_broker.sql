-- Orderly tells the same activity twice: added up by day, and by day and trading account.
CREATE OR REPLACE VIEW bi.fct_broker_days AS
SELECT f.account, f.source, f.day, f.direct_invites, f.indirect_invites, f.invites, f.direct_traded,
    f.indirect_traded, f.direct_volume, f.indirect_volume, f.volume, f.broker_fee, f.direct_rebate,
    f.indirect_rebate, f.direct_bonus_rebate, f.base_rebate,
    f.day::timestamp AT TIME ZONE here.zone AS day_start_utc,
    (f.day + 1)::timestamp AT TIME ZONE here.zone AS day_end_utc,
    f.is_final, f.run_id, f.loaded_at
FROM warehouse.broker_day f
LEFT JOIN ops.account a USING (account)
CROSS JOIN LATERAL (SELECT coalesce(a.day_zone, 'UTC') AS zone) here
WHERE f.removed_at IS NULL;

COMMENT ON VIEW bi.fct_broker_days IS
'A broker''s totals per day (Orderly). Tells the same activity as fct_broker_account_days: never add the two';

COMMENT ON COLUMN bi.fct_broker_days.account IS
'The account, as named in etl.toml; the key of dim_accounts';

COMMENT ON COLUMN bi.fct_broker_days.source IS
'The exchange: lbank, coinw, orderly or ztdx';

COMMENT ON COLUMN bi.fct_broker_days.day IS
'The UTC day; dim_dates.day';

COMMENT ON COLUMN bi.fct_broker_days.direct_invites IS
'People invited directly';

COMMENT ON COLUMN bi.fct_broker_days.indirect_invites IS
'People invited by those';

COMMENT ON COLUMN bi.fct_broker_days.invites IS
'Both together';

COMMENT ON COLUMN bi.fct_broker_days.direct_traded IS
'Of the directly invited, those who traded';

COMMENT ON COLUMN bi.fct_broker_days.indirect_traded IS
'Of the indirectly invited, those who traded';

COMMENT ON COLUMN bi.fct_broker_days.direct_volume IS
'Volume of the directly invited';

COMMENT ON COLUMN bi.fct_broker_days.indirect_volume IS
'Volume of the indirectly invited';

COMMENT ON COLUMN bi.fct_broker_days.volume IS
'Both together; never add it to direct_volume or indirect_volume';

COMMENT ON COLUMN bi.fct_broker_days.broker_fee IS
'What the broker earned';

COMMENT ON COLUMN bi.fct_broker_days.direct_rebate IS
'Rebates paid for direct invitations';

COMMENT ON COLUMN bi.fct_broker_days.indirect_rebate IS
'Rebates paid for indirect invitations';

COMMENT ON COLUMN bi.fct_broker_days.direct_bonus_rebate IS
'Bonus rebates paid for direct invitations; the source replaces it by base_rebate';

COMMENT ON COLUMN bi.fct_broker_days.base_rebate IS
'Base rebates paid; null in answers that do not have it yet';

COMMENT ON COLUMN bi.fct_broker_days.day_start_utc IS
'When the day began: midnight in the account''s day zone, as an instant';

COMMENT ON COLUMN bi.fct_broker_days.day_end_utc IS
'When the day ended, which is when the next one began; instants of the day lie before it';

COMMENT ON COLUMN bi.fct_broker_days.is_final IS
'Whether the source had settled the day when it was read; if false the row may still change';

COMMENT ON COLUMN bi.fct_broker_days.run_id IS
'The run that last changed the row';

COMMENT ON COLUMN bi.fct_broker_days.loaded_at IS
'When the reading that last changed the row began';

CREATE OR REPLACE VIEW bi.fct_broker_account_days AS
SELECT f.account, f.source, f.invitee_id, f.day, f.wallet_address, f.direct_invites, f.indirect_invites, f.invites,
    f.direct_traded, f.indirect_traded, f.direct_volume, f.indirect_volume, f.volume, f.broker_fee,
    f.direct_rebate, f.indirect_rebate, f.direct_bonus_rebate, f.base_rebate,
    f.day::timestamp AT TIME ZONE here.zone AS day_start_utc,
    (f.day + 1)::timestamp AT TIME ZONE here.zone AS day_end_utc,
    f.is_final, f.run_id, f.loaded_at
FROM warehouse.broker_account_day f
LEFT JOIN ops.account a USING (account)
CROSS JOIN LATERAL (SELECT coalesce(a.day_zone, 'UTC') AS zone) here
WHERE f.removed_at IS NULL;

COMMENT ON VIEW bi.fct_broker_account_days IS
'A broker''s activity per trading account and day (Orderly). Tells the same activity as fct_broker_days: never add the two';

COMMENT ON COLUMN bi.fct_broker_account_days.account IS
'The account, as named in etl.toml; the key of dim_accounts';

COMMENT ON COLUMN bi.fct_broker_account_days.source IS
'The exchange: lbank, coinw, orderly or ztdx';

COMMENT ON COLUMN bi.fct_broker_account_days.invitee_id IS
'The trading account; with account the key of dim_invitees';

COMMENT ON COLUMN bi.fct_broker_account_days.day IS
'The UTC day; dim_dates.day';

COMMENT ON COLUMN bi.fct_broker_account_days.wallet_address IS
'The wallet of the trading account';

COMMENT ON COLUMN bi.fct_broker_account_days.direct_invites IS
'People invited directly';

COMMENT ON COLUMN bi.fct_broker_account_days.indirect_invites IS
'People invited by those';

COMMENT ON COLUMN bi.fct_broker_account_days.invites IS
'Both together';

COMMENT ON COLUMN bi.fct_broker_account_days.direct_traded IS
'Of the directly invited, those who traded';

COMMENT ON COLUMN bi.fct_broker_account_days.indirect_traded IS
'Of the indirectly invited, those who traded';

COMMENT ON COLUMN bi.fct_broker_account_days.direct_volume IS
'Volume of the directly invited';

COMMENT ON COLUMN bi.fct_broker_account_days.indirect_volume IS
'Volume of the indirectly invited';

COMMENT ON COLUMN bi.fct_broker_account_days.volume IS
'Both together; never add it to direct_volume or indirect_volume';

COMMENT ON COLUMN bi.fct_broker_account_days.broker_fee IS
'What the broker earned';

COMMENT ON COLUMN bi.fct_broker_account_days.direct_rebate IS
'Rebates paid for direct invitations';

COMMENT ON COLUMN bi.fct_broker_account_days.indirect_rebate IS
'Rebates paid for indirect invitations';

COMMENT ON COLUMN bi.fct_broker_account_days.direct_bonus_rebate IS
'Bonus rebates paid for direct invitations; the source replaces it by base_rebate';

COMMENT ON COLUMN bi.fct_broker_account_days.base_rebate IS
'Base rebates paid; null in answers that do not have it yet';

COMMENT ON COLUMN bi.fct_broker_account_days.day_start_utc IS
'When the day began: midnight in the account''s day zone, as an instant';

COMMENT ON COLUMN bi.fct_broker_account_days.day_end_utc IS
'When the day ended, which is when the next one began; instants of the day lie before it';

COMMENT ON COLUMN bi.fct_broker_account_days.is_final IS
'Whether the source had settled the day when it was read; if false the row may still change';

COMMENT ON COLUMN bi.fct_broker_account_days.run_id IS
'The run that last changed the row';

COMMENT ON COLUMN bi.fct_broker_account_days.loaded_at IS
'When the reading that last changed the row began';
