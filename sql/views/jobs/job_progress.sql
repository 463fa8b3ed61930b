CREATE OR REPLACE VIEW evtrack.job_progress AS
SELECT -- noqa: ST06
    j.job_id,
    j.phase,
    j.suspended,
    j.item_count + j.invalid_count AS total,
    j.completed_items AS done,
    j.failed_items AS failed,
    j.crashed_items AS crashed,
    j.cancelled_items AS cancelled,
    j.invalid_count AS invalid,
    j.pending_items AS pending,
    j.running_items AS running,
    e.ended,
    -- Truncated, not rounded: 100 means that nothing is left.
    CASE
        WHEN j.phase IN ('open', 'abandoned')
            THEN trunc(100.0 * least(j.bytes_read, j.bytes_total) / nullif(j.bytes_total, 0), 1)
        WHEN j.item_count + j.invalid_count = 0 THEN 100.0
        ELSE trunc(100.0 * e.ended / (j.item_count + j.invalid_count), 1)
    END::double precision AS percent,
    j.batch_count AS batches,
    j.pending_batches AS batches_pending,
    j.running_batches AS batches_running,
    j.completed_batches AS batches_completed,
    j.failed_batches AS batches_failed,
    j.crashed_batches AS batches_crashed,
    j.split_batches AS batches_split,
    j.cancelled_batches AS batches_cancelled,
    j.bytes_read,
    j.bytes_total,
    round(p.pace::numeric, 2)::double precision AS pace,
    CASE
        WHEN j.phase = 'sealed' AND NOT j.suspended AND p.pace > 0
            THEN round((j.pending_items + j.running_items)::numeric / p.pace::numeric, 1)::double precision
    END AS remaining_s,
    CASE
        WHEN j.phase = 'sealed' AND NOT j.suspended AND p.pace > 0
            THEN
                statement_timestamp()
                + least((j.pending_items + j.running_items) / p.pace, 3.15e9) * interval '1 second'
    END AS eta,
    round(t.elapsed_s::numeric, 3)::double precision AS elapsed_s,
    j.created_at,
    coalesce(j.finished_at, j.cancelled_at) AS ended_at
FROM evtrack.counted_job AS j
CROSS JOIN
    LATERAL (
        SELECT j.completed_items + j.failed_items + j.crashed_items + j.cancelled_items + j.invalid_count AS ended
    ) AS e
CROSS JOIN
    LATERAL (
        SELECT
            greatest(
                0,
                extract(
                    EPOCH FROM coalesce(j.finished_at, j.cancelled_at, statement_timestamp()) - j.created_at
                )::double precision
            ) AS elapsed_s,
            -- Pace is measured from the first recent bucket in which anything ended: otherwise a job that waited an
            -- hour for a worker would look slow for its first minute. A bucket reaches 5 s to both sides.
            greatest(
                0.001,
                extract(
                    EPOCH FROM statement_timestamp()
                    - greatest(j.created_at, to_timestamp(j.recent_from::double precision * 10 - 5))
                )::double precision
            ) AS recent_s
    ) AS t
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN j.phase IN ('finished', 'cancelled')
                THEN (e.ended - j.invalid_count - j.cancelled_items) / nullif(t.elapsed_s, 0)
            ELSE coalesce(j.recent_items, 0) / t.recent_s
        END AS pace
) AS p;

COMMENT ON VIEW evtrack.job_progress IS
'One row per job: its items and batches by status, exact at every commit, and its pace. Plain names count items; names '
'with the prefix batches_ count batches. done + failed + crashed + cancelled + invalid + pending + running = total.';
COMMENT ON COLUMN evtrack.job_progress.total IS
'Items found so far, including invalid ones; final once the job is sealed.';
COMMENT ON COLUMN evtrack.job_progress.done IS 'Items completed.';
COMMENT ON COLUMN evtrack.job_progress.failed IS 'Items whose handler raised errors until the error budget was spent.';
COMMENT ON COLUMN evtrack.job_progress.crashed IS 'Items that crashed until the crash budget was spent.';
COMMENT ON COLUMN evtrack.job_progress.invalid IS
'Items of the source that could not be used; notes give their file and line.';
COMMENT ON COLUMN evtrack.job_progress.ended IS 'done + failed + crashed + cancelled + invalid.';
COMMENT ON COLUMN evtrack.job_progress.percent IS
'While the job is open or abandoned: bytes read, of the size of the source (null if unknown). Then: ended, of total.';
COMMENT ON COLUMN evtrack.job_progress.batches IS 'Batches created so far, including derived ones.';
COMMENT ON COLUMN evtrack.job_progress.pace IS
'Items ended per second, over the last minute; over the whole job once it has ended.';
COMMENT ON COLUMN evtrack.job_progress.remaining_s IS
'Seconds until the job ends at this pace; null while it is open or suspended, or has no pace.';
COMMENT ON COLUMN evtrack.job_progress.elapsed_s IS 'Seconds from the creation to the end, or to now.';
