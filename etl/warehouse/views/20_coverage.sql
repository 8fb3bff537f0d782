-- What the warehouse has and what it lacks. A partition whose horizon_from is null has no days that it ought to have:
-- a snapshot, or a partition that is no longer asked for.
CREATE OR REPLACE VIEW bi.data_freshness AS
WITH place AS (
    SELECT account, stream, count(*) AS partitions, min(horizon_from) AS horizon_from, max(updated_at) AS updated_at,
        range_agg(loaded) AS loaded_anywhere,
        range_intersect_agg(loaded + datemultirange(daterange(NULL, horizon_from)))
            FILTER (WHERE horizon_from IS NOT NULL) AS loaded_everywhere,
        range_intersect_agg(final + datemultirange(daterange(NULL, horizon_from)))
            FILTER (WHERE horizon_from IS NOT NULL) AS final_everywhere
    FROM ops.coverage
    GROUP BY account, stream
), latest AS (
    SELECT DISTINCT ON (account) account, outcome FROM ops.run WHERE command <> 'check' ORDER BY account, run_id DESC
), success AS (
    SELECT account, max(finished_at) AS finished_at FROM ops.run WHERE outcome = 'done' AND command <> 'check'
    GROUP BY account
)
SELECT p.account, a.source, p.stream, p.partitions,
    CASE WHEN p.horizon_from IS NULL THEN upper(p.loaded_anywhere)
        ELSE upper(p.loaded_everywhere * datemultirange(daterange(p.horizon_from, NULL)))
        END - 1 AS loaded_through,
    upper(p.final_everywhere * datemultirange(daterange(p.horizon_from, NULL))) - 1 AS final_through,
    p.updated_at AS last_loaded_at,
    latest.outcome AS last_run_outcome,
    success.finished_at AS last_success
FROM place p
LEFT JOIN ops.account a USING (account)
LEFT JOIN latest USING (account)
LEFT JOIN success USING (account);

COMMENT ON VIEW bi.data_freshness IS
'How far each stream of each account is loaded';

COMMENT ON COLUMN bi.data_freshness.account IS
'The account, as named in etl.toml';

COMMENT ON COLUMN bi.data_freshness.source IS
'The exchange: lbank, coinw, orderly or ztdx';

COMMENT ON COLUMN bi.data_freshness.stream IS
'The endpoint that is read';

COMMENT ON COLUMN bi.data_freshness.partitions IS
'How many parts the stream is read in, such as one per person and market';

COMMENT ON COLUMN bi.data_freshness.loaded_through IS
'The last day that is loaded in every partition that ought to have it; earlier days may be missing, see coverage_gaps. For snapshots the day of the last one';

COMMENT ON COLUMN bi.data_freshness.final_through IS
'The last day that the source has settled in every partition that ought to have it; null for snapshots, which are never settled';

COMMENT ON COLUMN bi.data_freshness.last_loaded_at IS
'When the newest reading of the stream that was loaded began';

COMMENT ON COLUMN bi.data_freshness.last_run_outcome IS
'How the newest sync or backfill of the account ended: done, incomplete, failed, interrupted or lost; running if it goes on';

COMMENT ON COLUMN bi.data_freshness.last_success IS
'When the last sync or backfill of the account that did everything (outcome done) ended';

CREATE OR REPLACE VIEW bi.coverage_gaps AS
SELECT c.account, c.stream, c.partition,
    lower(gap.days) AS gap_from,
    upper(gap.days) - 1 AS gap_to,
    upper(gap.days) - lower(gap.days) AS days
FROM ops.coverage c
LEFT JOIN ops.account a USING (account)
CROSS JOIN LATERAL (
    SELECT (now() AT TIME ZONE coalesce(a.day_zone, 'UTC'))::date + 1 AS tomorrow
) clock
CROSS JOIN LATERAL unnest(
    datemultirange(daterange(c.horizon_from, greatest(c.horizon_from, clock.tomorrow))) - c.loaded
) gap (days)
WHERE c.horizon_from IS NOT NULL;

COMMENT ON VIEW bi.coverage_gaps IS
'Days that ought to be loaded and are not, from the start of a partition''s horizon through today; one row per unbroken run of days';

COMMENT ON COLUMN bi.coverage_gaps.account IS
'The account, as named in etl.toml';

COMMENT ON COLUMN bi.coverage_gaps.stream IS
'The endpoint that is read';

COMMENT ON COLUMN bi.coverage_gaps.partition IS
'The part of the stream, such as a person and a market; empty where the stream has only one';

COMMENT ON COLUMN bi.coverage_gaps.gap_from IS
'The first missing day';

COMMENT ON COLUMN bi.coverage_gaps.gap_to IS
'The last missing day';

COMMENT ON COLUMN bi.coverage_gaps.days IS
'How many days are missing';
