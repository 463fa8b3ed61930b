CREATE OR REPLACE VIEW evtrack.job_memory AS
SELECT -- noqa: ST06
    j.job_id,
    j.handler,
    m.batches,
    m.min_bytes,
    m.p50_bytes,
    m.p99_bytes,
    m.max_bytes,
    m.cpu_s,
    m.killed,
    m.killed_max_bytes,
    j.job_day
FROM evtrack.job AS j
CROSS JOIN
    LATERAL (
        SELECT
            count(*) FILTER (WHERE e.type = 'completed') AS batches,
            min(e.peak) FILTER (WHERE e.type = 'completed') AS min_bytes,
            percentile_disc(0.5) WITHIN GROUP (ORDER BY e.peak)
            FILTER (WHERE e.type = 'completed') AS p50_bytes,
            percentile_disc(0.99) WITHIN GROUP (ORDER BY e.peak)
            FILTER (WHERE e.type = 'completed') AS p99_bytes,
            max(e.peak) FILTER (WHERE e.type = 'completed') AS max_bytes,
            sum(e.cpu_s) FILTER (WHERE e.type = 'completed') AS cpu_s,
            count(*) FILTER (WHERE e.type = 'crashed') AS killed,
            max(e.peak) FILTER (WHERE e.type = 'crashed') AS killed_max_bytes
        FROM (
            SELECT
                v.type,
                CASE
                    WHEN jsonb_typeof(v.data -> 'peak_rss_bytes') = 'number'
                        THEN (v.data ->> 'peak_rss_bytes')::numeric::bigint
                END AS peak,
                CASE
                    WHEN jsonb_typeof(v.data -> 'cpu_s') = 'number'
                        THEN (v.data ->> 'cpu_s')::double precision
                END AS cpu_s
            FROM evtrack.event AS v
            WHERE v.job_day = j.job_day AND v.job_id = j.job_id AND (
                v.type = 'completed' AND v.data ? 'peak_rss_bytes'
                OR v.type = 'crashed'
                AND v.data ->> 'cause' IN ('memory_limit', 'out_of_memory')
                -- Others may have taken it.
                AND v.data -> 'blame' IS DISTINCT FROM '"none"'
            )
        ) AS e
    ) AS m
WHERE m.batches > 0 OR m.killed > 0;

COMMENT ON VIEW evtrack.job_memory IS
'How much memory and CPU time the batches of a job took, one row per job: of completed batches that ran at least '
'10 ms, and of attempts that ended for lack of it. Filter by job_id or job_day: it reads the events of the jobs.';
COMMENT ON COLUMN evtrack.job_memory.batches IS 'Completed batches whose memory was measured.';
COMMENT ON COLUMN evtrack.job_memory.min_bytes IS
'The least peak: hardly more than what a slot holds once its handlers are imported.';
COMMENT ON COLUMN evtrack.job_memory.p50_bytes IS 'The median of the peaks.';
COMMENT ON COLUMN evtrack.job_memory.p99_bytes IS '99 % of the peaks are at most this.';
COMMENT ON COLUMN evtrack.job_memory.max_bytes IS
'The largest peak: of the slot, or of the program that it ran, while the batch ran.';
COMMENT ON COLUMN evtrack.job_memory.cpu_s IS 'CPU seconds of these batches together.';
COMMENT ON COLUMN evtrack.job_memory.killed IS
'Attempts that exceeded a memory limit or what the kernel had, and did so by themselves.';
COMMENT ON COLUMN evtrack.job_memory.killed_max_bytes IS
'The largest peak of those; the items may need more.';
COMMENT ON COLUMN evtrack.job_memory.job_day IS
'The UTC day of the job. Filter by it to query recent jobs only: other days are then not read at all.';
