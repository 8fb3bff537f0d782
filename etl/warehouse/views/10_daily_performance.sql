-- What an account did on a day. Each fact brings its own rows, so that no join can multiply an amount.
-- Day zones decide only where the source tells an instant; where it tells a day, that day is kept.
CREATE OR REPLACE VIEW bi.daily_performance AS
WITH fact (account, day, trader, volume, fee, commission, is_unpriced, deposit, withdrawal, invitee) AS (
    SELECT account, day, CASE WHEN volume > 0 THEN subject_id END, volume, fee,
        NULL::numeric, false, NULL::numeric, NULL::numeric, NULL::text
    FROM warehouse.trade_day
    WHERE scope = 'member' AND removed_at IS NULL
    UNION ALL
    SELECT account, day, NULL, volume, NULL, broker_fee, false, NULL, NULL, NULL
    FROM warehouse.broker_day
    WHERE removed_at IS NULL
    UNION ALL
    SELECT account, day, CASE WHEN volume > 0 THEN invitee_id END, NULL, NULL, NULL, false, NULL, NULL, NULL
    FROM warehouse.broker_account_day
    WHERE removed_at IS NULL
    UNION ALL
    SELECT c.account, c.day, NULL, NULL, NULL, p.amount, p.amount IS NULL, NULL, NULL, NULL
    FROM warehouse.commission_day c
    CROSS JOIN LATERAL (
        SELECT CASE WHEN c.amount_usdt > 0 THEN c.amount_usdt
            WHEN c.coin IN ('USDT', 'USDC', 'USD') THEN c.amount END AS amount
    ) p
    WHERE c.removed_at IS NULL
    UNION ALL
    SELECT t.account, (t.created_at AT TIME ZONE coalesce(a.day_zone, 'UTC'))::date, NULL, NULL, NULL, NULL, false,
        CASE WHEN t.direction = 'in' THEN t.amount END, CASE WHEN t.direction = 'out' THEN t.amount END, NULL
    FROM warehouse.transfer t LEFT JOIN ops.account a USING (account)
    WHERE t.removed_at IS NULL AND lower(t.status) = 'completed' AND t.asset IN ('USDT', 'USDC', 'USD')
    UNION ALL
    SELECT i.account, (i.registered_at AT TIME ZONE coalesce(a.day_zone, 'UTC'))::date, NULL, NULL, NULL, NULL, false,
        NULL, NULL, i.invitee_id
    FROM warehouse.invitee i LEFT JOIN ops.account a USING (account)
    WHERE i.removed_at IS NULL AND i.origin IN ('list', 'info') AND i.registered_at IS NOT NULL
), settled AS (
    -- A day before a partition's horizon is no matter of that partition; before all horizons nothing is vouched for.
    -- Activities are not added above, and settle only after their month: no day waits for them.
    SELECT account, range_intersect_agg(final + datemultirange(daterange(NULL, horizon_from))) AS days,
        min(horizon_from) AS horizon_from
    FROM ops.coverage
    WHERE horizon_from IS NOT NULL AND stream <> 'activity'
    GROUP BY account
)
SELECT f.account, f.day,
    count(DISTINCT f.trader) AS active_traders,
    coalesce(sum(f.volume), 0) AS volume,
    CASE WHEN count(f.volume) = 0 OR count(f.fee) > 0 THEN coalesce(sum(f.fee), 0) END AS fees,
    coalesce(sum(f.commission), 0) AS commission_usdt,
    count(*) FILTER (WHERE f.is_unpriced) AS unpriced_commissions,
    coalesce(sum(f.deposit), 0) AS deposits_usd,
    coalesce(sum(f.withdrawal), 0) AS withdrawals_usd,
    count(f.invitee) AS new_invitees,
    coalesce(bool_and(f.day >= s.horizon_from AND s.days @> f.day), false) AS is_final
FROM fact f LEFT JOIN settled s USING (account)
GROUP BY f.account, f.day;

COMMENT ON VIEW bi.daily_performance IS
'What each account did on each day; a day has a row when any of its facts has one';

COMMENT ON COLUMN bi.daily_performance.account IS
'The account, as named in etl.toml';

COMMENT ON COLUMN bi.daily_performance.day IS
'The day in the day zone of the account''s source';

COMMENT ON COLUMN bi.daily_performance.active_traders IS
'People whose volume of the day is above zero, each counted once over all markets';

COMMENT ON COLUMN bi.daily_performance.volume IS
'Volume traded by members, over all markets; for Orderly the broker''s total of the day. Activity tables tell the same trades again and are not added';

COMMENT ON COLUMN bi.daily_performance.fees IS
'Fees paid by members for that volume; null where the source tells volume but no fees (CoinW, Orderly)';

COMMENT ON COLUMN bi.daily_performance.commission_usdt IS
'Commission of all recipients, the affiliate and its agents: amount_usdt where above zero, else the amount of USDT, USDC and USD; other coins are in unpriced_commissions. For Orderly the broker fee';

COMMENT ON COLUMN bi.daily_performance.unpriced_commissions IS
'Commission rows of other coins that came without a value in USDT and are therefore not in commission_usdt';

COMMENT ON COLUMN bi.daily_performance.deposits_usd IS
'Completed transfers of USDT, USDC and USD into members'' accounts that were created on the day, at one dollar each';

COMMENT ON COLUMN bi.daily_performance.withdrawals_usd IS
'Completed transfers of USDT, USDC and USD out of members'' accounts that were created on the day, at one dollar each';

COMMENT ON COLUMN bi.daily_performance.new_invitees IS
'People who registered on the day, as the source lists them or tells of them; people known only from facts have no date';

COMMENT ON COLUMN bi.daily_performance.is_final IS
'Whether each daily stream of the account (all but CoinW''s activity, which is by month and not added here) has settled the day wherever the day is within its horizon; false for days before all horizons, for which nothing says what a complete day is';
