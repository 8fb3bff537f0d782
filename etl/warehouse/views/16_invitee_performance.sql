-- What people did and were worth. Each kind of fact is added up per person before it is joined, so that no join can
-- multiply an amount. Trades of teams, activities and broker_day tell the same trades again and are not added.
CREATE OR REPLACE VIEW bi.invitee_performance AS
WITH traded AS (
    SELECT account, invitee_id,
        min(day) FILTER (WHERE volume > 0) AS first_day,
        max(day) FILTER (WHERE volume > 0) AS last_day,
        count(DISTINCT day) FILTER (WHERE volume > 0) AS days,
        sum(volume) AS volume, sum(fee) AS fees, sum(broker_fee) AS broker_fee
    FROM (
        SELECT account, subject_id AS invitee_id, day, volume, fee, NULL::numeric AS broker_fee
        FROM warehouse.trade_day
        WHERE scope = 'member' AND removed_at IS NULL
        UNION ALL
        SELECT account, invitee_id, day, volume, NULL, broker_fee
        FROM warehouse.broker_account_day
        WHERE removed_at IS NULL
    ) told
    GROUP BY account, invitee_id
), earned AS (
    SELECT c.account, c.recipient_id AS invitee_id, sum(p.amount) AS commission,
        count(*) FILTER (WHERE p.amount IS NULL) AS unpriced
    FROM warehouse.commission_day c
    CROSS JOIN LATERAL (
        SELECT CASE WHEN c.amount_usdt > 0 THEN c.amount_usdt
            WHEN c.coin IN ('USDT', 'USDC', 'USD') THEN c.amount END AS amount
    ) p
    WHERE c.removed_at IS NULL
    GROUP BY c.account, c.recipient_id
), moved AS (
    SELECT account, invitee_id,
        coalesce(sum(amount) FILTER (WHERE direction = 'in'), 0) AS deposits,
        coalesce(sum(amount) FILTER (WHERE direction = 'out'), 0) AS withdrawals
    FROM warehouse.transfer
    WHERE removed_at IS NULL AND lower(status) = 'completed' AND asset IN ('USDT', 'USDC', 'USD')
    GROUP BY account, invitee_id
)
SELECT i.account, i.source, i.invitee_id, i.referral_code,
    coalesce(i.wallet_address, w.wallet_address) AS wallet_address, i.origin, i.level, i.is_direct,
    i.registered_at,
    i.removed_at,
    t.first_day AS first_trade_day,
    t.last_day AS last_trade_day,
    coalesce(t.days, 0) AS active_days,
    coalesce(t.volume, 0) AS volume,
    CASE WHEN t.volume IS NULL THEN 0 ELSE t.fees END AS fees,
    t.broker_fee,
    coalesce(e.commission, 0) AS commission_usdt,
    coalesce(e.unpriced, 0) AS unpriced_commissions,
    coalesce(m.deposits, 0) AS deposits_usd,
    coalesce(m.withdrawals, 0) AS withdrawals_usd,
    coalesce(m.deposits - m.withdrawals, 0) AS net_deposits_usd,
    b.day AS balance_day,
    b.spot_assets,
    b.futures_assets
FROM warehouse.invitee i
LEFT JOIN traded t USING (account, invitee_id)
LEFT JOIN earned e USING (account, invitee_id)
LEFT JOIN moved m USING (account, invitee_id)
LEFT JOIN LATERAL (
    SELECT day, spot_assets, futures_assets
    FROM warehouse.invitee_balance_day
    WHERE account = i.account AND invitee_id = i.invitee_id AND removed_at IS NULL
    ORDER BY day DESC
    LIMIT 1
) b ON true
LEFT JOIN LATERAL (
    SELECT wallet_address FROM warehouse.broker_account_day
    WHERE account = i.account AND invitee_id = i.invitee_id AND wallet_address IS NOT NULL AND removed_at IS NULL
    ORDER BY day DESC
    LIMIT 1
) w ON true;

COMMENT ON VIEW bi.invitee_performance IS
'What each person did over all time, one row per account and person, also for those who did nothing and those who have left';

COMMENT ON COLUMN bi.invitee_performance.account IS
'The account, as named in etl.toml';

COMMENT ON COLUMN bi.invitee_performance.source IS
'The exchange: lbank, coinw, orderly or ztdx';

COMMENT ON COLUMN bi.invitee_performance.invitee_id IS
'The person; with account the key of dim_invitees';

COMMENT ON COLUMN bi.invitee_performance.referral_code IS
'The referral code that brought the person';

COMMENT ON COLUMN bi.invitee_performance.wallet_address IS
'The person''s wallet, where the source tells it; for Orderly that of the newest day of the trading account';

COMMENT ON COLUMN bi.invitee_performance.origin IS
'How the person is known: list, info, inferred (only facts mention the id) or self (the affiliate)';

COMMENT ON COLUMN bi.invitee_performance.level IS
'0 an invitee, 1 to 21 an agent, 99 a regular user (LBank)';

COMMENT ON COLUMN bi.invitee_performance.is_direct IS
'Whether the affiliate itself invited the person, not one of its agents';

COMMENT ON COLUMN bi.invitee_performance.registered_at IS
'When the person registered; null where no list tells';

COMMENT ON COLUMN bi.invitee_performance.removed_at IS
'When a reading of the list first lacked the person; null for those who are still there';

COMMENT ON COLUMN bi.invitee_performance.first_trade_day IS
'The first day with a volume above zero, among the days that are loaded';

COMMENT ON COLUMN bi.invitee_performance.last_trade_day IS
'The last day with a volume above zero';

COMMENT ON COLUMN bi.invitee_performance.active_days IS
'Days with a volume above zero; one day counts once, however many markets';

COMMENT ON COLUMN bi.invitee_performance.volume IS
'What the person traded, over all markets, without the person''s team; for Orderly the volume of the trading account''s row';

COMMENT ON COLUMN bi.invitee_performance.fees IS
'Fees the person paid for it; null where the source tells volume but no fees (CoinW, Orderly)';

COMMENT ON COLUMN bi.invitee_performance.broker_fee IS
'What the broker earned by the trading account (Orderly); null elsewhere';

COMMENT ON COLUMN bi.invitee_performance.commission_usdt IS
'Commission the person earned as a recipient, an agent or the affiliate itself; reckoned as in daily_performance. Not what the affiliate earned by the person';

COMMENT ON COLUMN bi.invitee_performance.unpriced_commissions IS
'Commission rows of other coins that came without a value in USDT and are therefore not in commission_usdt';

COMMENT ON COLUMN bi.invitee_performance.deposits_usd IS
'Completed transfers of USDT, USDC and USD into the person''s account, at one dollar each';

COMMENT ON COLUMN bi.invitee_performance.withdrawals_usd IS
'Completed transfers of USDT, USDC and USD out of the person''s account, at one dollar each';

COMMENT ON COLUMN bi.invitee_performance.net_deposits_usd IS
'deposits_usd less withdrawals_usd';

COMMENT ON COLUMN bi.invitee_performance.balance_day IS
'The day of the newest balance that was read; null where there is none';

COMMENT ON COLUMN bi.invitee_performance.spot_assets IS
'Total spot assets on balance_day, as the source values them';

COMMENT ON COLUMN bi.invitee_performance.futures_assets IS
'Total futures assets on balance_day';
