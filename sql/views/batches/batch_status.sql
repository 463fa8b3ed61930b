-- The item summary is a scalar subquery, not a join: a query that does not ask for it does not pay for it.
-- The job is joined for its day alone, so that one job's batches are looked for in one partition.
CREATE OR REPLACE VIEW evtrack.batch_status AS
SELECT -- noqa: ST06
    b.job_id,
    b.batch_no,
    b.status,
    b.item_count,
    b.weight,
    b.attempt,
    b.version,
    -- Who worked on a job before it came back is not who has that number here.
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
    j.priority,
    b.run_at,
    b.job_day
FROM evtrack.job AS j
INNER JOIN evtrack.batch AS b ON j.job_day = b.job_day AND j.job_id = b.job_id
LEFT JOIN evtrack.worker AS w ON b.worker_id = w.worker_id
LEFT JOIN evtrack.restored AS r ON b.job_id = r.job_id AND r.workers IS NOT NULL;

COMMENT ON VIEW evtrack.batch_status IS
'One row a batch, as it stands now: the fold of its events. Filter by job_id.';
COMMENT ON COLUMN evtrack.batch_status.item_count IS
'Items that this batch holds; those that moved on are counted where they went. A split batch keeps its old number.';
COMMENT ON COLUMN evtrack.batch_status.weight IS
'What the submitter weighed the batch by, as it was submitted; the number of items unless told otherwise.';
COMMENT ON COLUMN evtrack.batch_status.attempt IS 'How often the batch has been claimed; counted at the claim.';
COMMENT ON COLUMN evtrack.batch_status.version IS 'Number of events in the stream of this batch.';
COMMENT ON COLUMN evtrack.batch_status.worker IS 'Name of the worker that has it, or had it last.';
COMMENT ON COLUMN evtrack.batch_status.run_s IS
'Seconds that the handler ran in the last attempt, measured by the slot: waiting is not in it.';
COMMENT ON COLUMN evtrack.batch_status.error IS 'The last error or crash in one line; the event has all of it.';
COMMENT ON COLUMN evtrack.batch_status.item_summary IS
'The first three item keys and how many more there are: PMC:123, PMC:456, PMC:789... (7 more).';
COMMENT ON COLUMN evtrack.batch_status.root_no IS
'The submitted batch that the items came from; null for a batch that is as it was submitted.';
COMMENT ON COLUMN evtrack.batch_status.parent_no IS 'The batch that the items came from directly.';
COMMENT ON COLUMN evtrack.batch_status.errors IS
'Attempts that raised, of the budget max_errors; a person''s retry sets it to 0.';
COMMENT ON COLUMN evtrack.batch_status.crashes IS 'Attempts that crashed, of the budget max_crashes.';
COMMENT ON COLUMN evtrack.batch_status.losses IS
'Attempts whose whole worker was lost, of the budget max_losses; counted apart, they make no item poison.';
COMMENT ON COLUMN evtrack.batch_status.run_at IS
'When a batch that came back may be claimed again; null unless it is pending and has come back.';
COMMENT ON COLUMN evtrack.batch_status.job_day IS
'The UTC day of the job. To ask for recent jobs only, filter by it: whole days are then not even looked at.';
