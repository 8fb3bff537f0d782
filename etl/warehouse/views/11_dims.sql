-- The dimensions: who, whose account, and when. Facts join them by account, by account and person, and by day.
CREATE OR REPLACE VIEW bi.dim_accounts AS
WITH latest AS (
    SELECT DISTINCT ON (account) account, outcome FROM ops.run WHERE command <> 'check' ORDER BY account, run_id DESC
), success AS (
    SELECT account, max(finished_at) AS finished_at FROM ops.run WHERE outcome = 'done' AND command <> 'check'
    GROUP BY account
)
SELECT a.account, a.source, a.subject_id, a.day_zone, a.start_date,
    (now() AT TIME ZONE a.day_zone)::date AS today,
    latest.outcome AS last_run_outcome,
    success.finished_at AS last_success,
    a.updated_at
FROM ops.account a
LEFT JOIN latest USING (account)
LEFT JOIN success USING (account);

COMMENT ON VIEW bi.dim_accounts IS
'The accounts, one row each, as configured at their last run';

COMMENT ON COLUMN bi.dim_accounts.account IS
'The account, as named in etl.toml; the key';

COMMENT ON COLUMN bi.dim_accounts.source IS
'The exchange: lbank, coinw, orderly or ztdx';

COMMENT ON COLUMN bi.dim_accounts.subject_id IS
'The affiliate''s own id at the source; null where it has none. Its row of dim_invitees has is_self';

COMMENT ON COLUMN bi.dim_accounts.day_zone IS
'The time zone of the source''s days';

COMMENT ON COLUMN bi.dim_accounts.start_date IS
'The first day that is to be loaded and kept complete';

COMMENT ON COLUMN bi.dim_accounts.today IS
'The day it is now in the day zone';

COMMENT ON COLUMN bi.dim_accounts.last_run_outcome IS
'How the newest sync or backfill ended: done, incomplete, failed, interrupted or lost; running if it goes on';

COMMENT ON COLUMN bi.dim_accounts.last_success IS
'When the last sync or backfill that did everything (outcome done) ended';

COMMENT ON COLUMN bi.dim_accounts.updated_at IS
'When the configuration of the account was last seen to have changed';

-- A complete reading of the list takes removed_at to those it lacks, so it has seen all others that a list told of,
-- unless it had rows that could not be read. Orderly has no list: its facts tell the wallet.
CREATE OR REPLACE VIEW bi.dim_invitees AS
WITH listing AS (
    SELECT c.account, max(c.updated_at) AS read_at
    FROM ops.coverage c
    WHERE c.stream IN ('team_members', 'team_members_legacy')
        AND NOT EXISTS (SELECT FROM ops.reject r WHERE r.account = c.account AND r.stream = c.stream)
    GROUP BY c.account
)
SELECT i.account, i.source, i.invitee_id, i.referral_code, i.registered_at,
    (i.registered_at AT TIME ZONE coalesce(a.day_zone, 'UTC'))::date AS registered_day,
    i.is_direct, i.has_deposited, i.has_traded, i.kyc_verified, i.level,
    coalesce(i.level BETWEEN 1 AND 21, false) AS is_agent,
    coalesce(i.origin = 'self' OR i.invitee_id = a.subject_id, false) AS is_self,
    i.spot_commission_pct, i.futures_commission_pct,
    coalesce(i.wallet_address, trading.wallet_address) AS wallet_address, i.first_seen_at,
    CASE WHEN i.origin = 'list' AND i.removed_at IS NULL THEN greatest(i.last_seen_at, listing.read_at)
        ELSE i.last_seen_at END AS last_seen_at,
    i.origin, i.removed_at, i.run_id, i.loaded_at
FROM warehouse.invitee i
LEFT JOIN ops.account a USING (account)
LEFT JOIN listing USING (account)
LEFT JOIN LATERAL (
    SELECT wallet_address FROM warehouse.broker_account_day
    WHERE account = i.account AND invitee_id = i.invitee_id AND wallet_address IS NOT NULL AND removed_at IS NULL
    ORDER BY day DESC
    LIMIT 1
) trading ON true;

COMMENT ON VIEW bi.dim_invitees IS
'Everyone an account knows of, one row per account and person; also those who have left, whose facts remain';

COMMENT ON COLUMN bi.dim_invitees.account IS
'The account, as named in etl.toml; the key together with invitee_id';

COMMENT ON COLUMN bi.dim_invitees.source IS
'The exchange: lbank, coinw, orderly or ztdx';

COMMENT ON COLUMN bi.dim_invitees.invitee_id IS
'The person''s id at the source; with account the key that facts have as invitee_id, subject_id or recipient_id';

COMMENT ON COLUMN bi.dim_invitees.referral_code IS
'The referral code that brought the person';

COMMENT ON COLUMN bi.dim_invitees.registered_at IS
'When the person registered; null where no list tells';

COMMENT ON COLUMN bi.dim_invitees.registered_day IS
'The day of registered_at in the account''s day zone; dim_dates.day';

COMMENT ON COLUMN bi.dim_invitees.is_direct IS
'Whether the affiliate itself invited the person, not one of its agents';

COMMENT ON COLUMN bi.dim_invitees.has_deposited IS
'Whether the source says that the person ever deposited or withdrew';

COMMENT ON COLUMN bi.dim_invitees.has_traded IS
'Whether the source says that the person ever traded';

COMMENT ON COLUMN bi.dim_invitees.kyc_verified IS
'Whether the source has verified who the person is';

COMMENT ON COLUMN bi.dim_invitees.level IS
'0 an invitee, 1 to 21 an agent, 99 a regular user (LBank)';

COMMENT ON COLUMN bi.dim_invitees.is_agent IS
'Whether the level is that of an agent, who earns commission';

COMMENT ON COLUMN bi.dim_invitees.is_self IS
'Whether it is the affiliate itself';

COMMENT ON COLUMN bi.dim_invitees.spot_commission_pct IS
'The share of spot fees that an agent earns, in percent';

COMMENT ON COLUMN bi.dim_invitees.futures_commission_pct IS
'The share of futures fees that an agent earns, in percent';

COMMENT ON COLUMN bi.dim_invitees.wallet_address IS
'The person''s wallet, where the source tells it; for Orderly that of the newest day of the trading account';

COMMENT ON COLUMN bi.dim_invitees.first_seen_at IS
'When a reading first told of the person';

COMMENT ON COLUMN bi.dim_invitees.last_seen_at IS
'When a reading last told of the person: for those on the list the last reading of the list (if all its rows could be read), for others the one that last changed the row';

COMMENT ON COLUMN bi.dim_invitees.origin IS
'How the person is known: list, info (asked for one by one), inferred (only facts mention the id) or self (the affiliate)';

COMMENT ON COLUMN bi.dim_invitees.removed_at IS
'When a reading of the list first lacked the person; null for those who are still there';

COMMENT ON COLUMN bi.dim_invitees.run_id IS
'The run that last changed the row';

COMMENT ON COLUMN bi.dim_invitees.loaded_at IS
'When the reading that last changed the row began';

-- Coverage knows the first day of everything that was read by days; registrations and events may be older.
CREATE OR REPLACE VIEW bi.dim_dates AS
WITH span AS (
    SELECT date_trunc('year', least(
            (SELECT min(start_date) FROM ops.account)::timestamp,
            (SELECT min(lower(loaded)) FROM ops.coverage)::timestamp,
            (SELECT min(registered_at) FROM warehouse.invitee) AT TIME ZONE 'UTC' - interval '1 day',
            (SELECT min(occurred_at) FROM warehouse.referral_event) AT TIME ZONE 'UTC' - interval '1 day',
            now() AT TIME ZONE 'UTC'
        )) AS first_day,
        date_trunc('year', now() AT TIME ZONE 'UTC' + interval '1 day') + interval '1 year - 1 day' AS last_day
)
SELECT d.day,
    extract(year FROM d.day)::int AS year,
    extract(quarter FROM d.day)::int AS quarter,
    extract(month FROM d.day)::int AS month,
    to_char(d.day, 'FMMonth') AS month_name,
    date_trunc('quarter', d.at)::date AS quarter_start,
    date_trunc('month', d.at)::date AS month_start,
    extract(isoyear FROM d.day)::int AS iso_year,
    extract(week FROM d.day)::int AS week,
    date_trunc('week', d.at)::date AS week_start,
    extract(day FROM d.day)::int AS day_of_month,
    extract(isodow FROM d.day)::int AS day_of_week,
    to_char(d.day, 'FMDay') AS day_name,
    extract(isodow FROM d.day) > 5 AS is_weekend
FROM span
CROSS JOIN LATERAL (
    SELECT step AS at, step::date AS day FROM generate_series(span.first_day, span.last_day, interval '1 day') step
) d;

COMMENT ON VIEW bi.dim_dates IS
'The calendar, a row a day, in whole years: from the year of the first day that anything is known of to the end of this one';

COMMENT ON COLUMN bi.dim_dates.day IS
'The day; the key';

COMMENT ON COLUMN bi.dim_dates.year IS
'The calendar year';

COMMENT ON COLUMN bi.dim_dates.quarter IS
'The quarter of the year, 1 to 4';

COMMENT ON COLUMN bi.dim_dates.month IS
'The month of the year, 1 to 12';

COMMENT ON COLUMN bi.dim_dates.month_name IS
'The month in English';

COMMENT ON COLUMN bi.dim_dates.quarter_start IS
'The first day of the quarter: what to group by for quarters';

COMMENT ON COLUMN bi.dim_dates.month_start IS
'The first day of the month: what to group by for months';

COMMENT ON COLUMN bi.dim_dates.iso_year IS
'The year that the ISO week belongs to, which may differ from the calendar''s around New Year';

COMMENT ON COLUMN bi.dim_dates.week IS
'The ISO week, 1 to 53; weeks begin on Monday';

COMMENT ON COLUMN bi.dim_dates.week_start IS
'The Monday of the week: what to group by for weeks';

COMMENT ON COLUMN bi.dim_dates.day_of_month IS
'The day of the month, 1 to 31';

COMMENT ON COLUMN bi.dim_dates.day_of_week IS
'The day of the week, 1 Monday to 7 Sunday';

COMMENT ON COLUMN bi.dim_dates.day_name IS
'The day of the week in English';

COMMENT ON COLUMN bi.dim_dates.is_weekend IS
'Whether it is a Saturday or a Sunday';
