-- The item summary is a scalar subquery, not a join, so that queries without that column do not pay for it.
-- The join with the job supplies its day, so that one job's batches are searched in one partition.
CREATE OR REPLACE VIEW evtrack.batch_status AS
SELECT -- noqa: ST06
    b.job_id,
    b.batch_no,
    b.status,
    b.item_count,
    b.weight,
    b.attempt,
    b.version,
    -- A worker id from before a restore belongs to another worker in this database.
    CASE WHEN b.started_at < r.restored_at THEN r.workers ->> b.worker_id::text ELSE w.name END AS worker,
    b.worker_id,
    j.handler,
    b.enqueued_at,
    b.started_at,
    b.finished_at,
    b.run_s,
    b.error,
    (
        SELECT
            coalesce(
                string_agg(left(first.item_key, 80), ', ' ORDER BY first.ordinal),
                CASE b.item_count
                    WHEN 0 THEN '(no items)' WHEN 1 THEN '(1 item)' ELSE '(' || b.item_count || ' items)'
                END
            )
            || CASE
                WHEN count(*) > 0 AND b.item_count > count(*)
                    THEN '... (' || b.item_count - count(*) || ' more)'
                ELSE ''
            END
        FROM (
            SELECT
                p.ordinal,
                coalesce(p.item_key, '#' || p.ordinal) AS item_key
            FROM evtrack.payload AS p
            WHERE
                p.job_day = b.job_day
                AND p.job_id = b.job_id
                AND p.ordinal >= lower(b.ordinals)
                AND p.ordinal < upper(b.ordinals)
                AND b.ordinals @> p.ordinal
            ORDER BY p.ordinal
            LIMIT 3
        ) AS first
    ) AS item_summary,
    b.root_no,
    b.parent_no,
    b.errors,
    b.crashes,
    b.losses,
    b.exclusive_losses,
    b.isolation,
    j.priority,
    b.run_at,
    b.job_day
FROM evtrack.job AS j
INNER JOIN evtrack.batch AS b ON j.job_day = b.job_day AND j.job_id = b.job_id
LEFT JOIN evtrack.worker AS w ON b.worker_id = w.worker_id
LEFT JOIN evtrack.restored AS r ON b.job_id = r.job_id AND r.workers IS NOT NULL;

COMMENT ON VIEW evtrack.batch_status IS
'One row per batch: its current state, the fold of its events. Filter by job_id.';
COMMENT ON COLUMN evtrack.batch_status.item_count IS
'Items that this batch holds; items that moved are counted in their new batch. A split batch keeps its old count.';
COMMENT ON COLUMN evtrack.batch_status.weight IS
'The weight that the submitter gave the batch; by default its number of items.';
COMMENT ON COLUMN evtrack.batch_status.attempt IS 'How often the batch has been claimed.';
COMMENT ON COLUMN evtrack.batch_status.version IS 'Number of events in the stream of this batch.';
COMMENT ON COLUMN evtrack.batch_status.worker IS 'Name of the worker that holds the batch, or held it last.';
COMMENT ON COLUMN evtrack.batch_status.run_s IS
'Seconds that the handler ran in the last attempt, measured by the slot, without waiting.';
COMMENT ON COLUMN evtrack.batch_status.error IS 'The last error or crash in one line; the event has the details.';
COMMENT ON COLUMN evtrack.batch_status.item_summary IS
'The first three item keys and the number of others: PMC:123, PMC:456, PMC:789... (7 more).';
COMMENT ON COLUMN evtrack.batch_status.root_no IS
'The submitted batch that the items came from; null if this is a submitted batch.';
COMMENT ON COLUMN evtrack.batch_status.parent_no IS 'The batch from which the items moved here.';
COMMENT ON COLUMN evtrack.batch_status.errors IS
'Attempts in which the handler raised an error, limited by max_errors; a manual retry resets it to 0.';
COMMENT ON COLUMN evtrack.batch_status.crashes IS 'Attempts that crashed, limited by max_crashes.';
COMMENT ON COLUMN evtrack.batch_status.losses IS 'Attempts whose whole worker was lost.';
COMMENT ON COLUMN evtrack.batch_status.exclusive_losses IS
'Attempts whose worker was lost while it ran nothing else, limited by max_losses: then the item is poison.';
COMMENT ON COLUMN evtrack.batch_status.isolation IS
'How carefully the next attempt, or the present one, must run: none; fresh_slot (in a slot that has run nothing); '
'memory (also with its worker to itself); marked (its worker was lost: what its items do is committed as it happens); '
'exclusive (it was in hand then: also with its worker to itself).';
COMMENT ON COLUMN evtrack.batch_status.run_at IS
'When a retried batch may be claimed; null for new batches, and for batches that are not pending.';
COMMENT ON COLUMN evtrack.batch_status.job_day IS
'The UTC day of the job. Filter by it to query recent jobs only: other days are then not read at all.';
