-- How far the people of a month came. The same people as daily_performance.new_invitees: those with a registration.
CREATE OR REPLACE VIEW bi.referral_funnel AS
WITH trader AS (
    SELECT account, invitee_id, max(day) AS last_day
    FROM (
        SELECT account, subject_id AS invitee_id, day FROM warehouse.trade_day
        WHERE scope = 'member' AND volume > 0 AND removed_at IS NULL
        UNION ALL
        SELECT account, invitee_id, day FROM warehouse.broker_account_day WHERE volume > 0 AND removed_at IS NULL
    ) traded
    GROUP BY account, invitee_id
), depositor AS (
    SELECT DISTINCT account, invitee_id FROM warehouse.transfer
    WHERE direction = 'in' AND lower(status) = 'completed' AND removed_at IS NULL
)
SELECT i.account,
    date_trunc('month', i.registered_at AT TIME ZONE here.zone)::date AS registration_month,
    count(*) AS registered,
    count(*) FILTER (WHERE i.kyc_verified) AS verified,
    count(*) FILTER (WHERE i.has_deposited OR d.invitee_id IS NOT NULL) AS deposited,
    count(*) FILTER (WHERE i.has_traded OR t.invitee_id IS NOT NULL) AS traded,
    count(*) FILTER (WHERE t.last_day > (now() AT TIME ZONE here.zone)::date - 30) AS active_last_30_days
FROM warehouse.invitee i
LEFT JOIN ops.account a USING (account)
CROSS JOIN LATERAL (SELECT coalesce(a.day_zone, 'UTC') AS zone) here
LEFT JOIN trader t USING (account, invitee_id)
LEFT JOIN depositor d USING (account, invitee_id)
WHERE i.removed_at IS NULL AND i.origin IN ('list', 'info') AND i.registered_at IS NOT NULL
GROUP BY 1, 2;

COMMENT ON VIEW bi.referral_funnel IS
'How far the people who registered in a month have come by today. People known only from facts (inferred) and the affiliate itself have no registration and are left out, as are those who left; invitee_performance has them';

COMMENT ON COLUMN bi.referral_funnel.account IS
'The account, as named in etl.toml';

COMMENT ON COLUMN bi.referral_funnel.registration_month IS
'The first day of the month in which the people registered, in the account''s day zone; dim_dates.month_start';

COMMENT ON COLUMN bi.referral_funnel.registered IS
'People who registered in the month, as the source lists them or tells of them; all other columns count among these';

COMMENT ON COLUMN bi.referral_funnel.verified IS
'Those whose identity the source has verified (KYC)';

COMMENT ON COLUMN bi.referral_funnel.deposited IS
'Those who the source says ever deposited or withdrew, or who have a completed transfer into their account, of any coin';

COMMENT ON COLUMN bi.referral_funnel.traded IS
'Those who the source says ever traded, or who have a day with a volume above zero';

COMMENT ON COLUMN bi.referral_funnel.active_last_30_days IS
'Those with a volume above zero on one of the last 30 days, today in the account''s day zone included';

CREATE OR REPLACE VIEW bi.net_deposits AS
SELECT t.account, t.source, t.invitee_id, local.day, t.asset,
    t.asset IN ('USDT', 'USDC', 'USD') AS is_usd,
    coalesce(sum(t.amount) FILTER (WHERE t.direction = 'in'), 0) AS deposits,
    coalesce(sum(t.amount) FILTER (WHERE t.direction = 'out'), 0) AS withdrawals,
    coalesce(sum(t.amount) FILTER (WHERE t.direction = 'in'), 0)
        - coalesce(sum(t.amount) FILTER (WHERE t.direction = 'out'), 0) AS net,
    count(*) AS transfers
FROM warehouse.transfer t
LEFT JOIN ops.account a USING (account)
CROSS JOIN LATERAL (SELECT (t.created_at AT TIME ZONE coalesce(a.day_zone, 'UTC'))::date AS day) local
WHERE t.removed_at IS NULL AND lower(t.status) = 'completed'
GROUP BY t.account, t.source, t.invitee_id, local.day, t.asset;

COMMENT ON VIEW bi.net_deposits IS
'What each person moved in and out per day and coin; completed transfers only, of all kinds (on chain, OTC and internal). Never add coins that are not is_usd';

COMMENT ON COLUMN bi.net_deposits.account IS
'The account, as named in etl.toml';

COMMENT ON COLUMN bi.net_deposits.source IS
'The exchange: lbank, coinw, orderly or ztdx';

COMMENT ON COLUMN bi.net_deposits.invitee_id IS
'The person; with account the key of dim_invitees';

COMMENT ON COLUMN bi.net_deposits.day IS
'The day on which the transfers were made, in the account''s day zone; dim_dates.day';

COMMENT ON COLUMN bi.net_deposits.asset IS
'The coin, upper case; amounts are in it';

COMMENT ON COLUMN bi.net_deposits.is_usd IS
'Whether the coin is USDT, USDC or USD: those may be added up, at one dollar each';

COMMENT ON COLUMN bi.net_deposits.deposits IS
'Moved into the person''s account';

COMMENT ON COLUMN bi.net_deposits.withdrawals IS
'Moved out of the person''s account';

COMMENT ON COLUMN bi.net_deposits.net IS
'deposits less withdrawals; negative if more went out';

COMMENT ON COLUMN bi.net_deposits.transfers IS
'How many transfers these are';
