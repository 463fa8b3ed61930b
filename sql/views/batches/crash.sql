-- OFFSET 0: see docs/planner.md.
-- Version 2 of a stream is not a crash of its own: the batch was created for a poison item, and its parent has the
-- crash. Values in a crash report are used only if they have the expected type, so that others cannot break the view.
CREATE OR REPLACE VIEW evtrack.crash AS
SELECT -- noqa: ST06
    e.job_id,
    e.batch_no,
    e.attempt,
    e.at,
    e.data ->> 'cause' AS cause,
    e.data ->> 'signal' AS signal,
    CASE WHEN jsonb_typeof(e.data -> 'exit_code') = 'number' THEN (e.data ->> 'exit_code')::numeric::bigint END
        AS exit_code,
    e.data ->> 'item_key' AS item_key,
    CASE WHEN jsonb_typeof(e.data -> 'ordinal') = 'number' THEN (e.data ->> 'ordinal')::numeric::bigint END
        AS ordinal,
    e.worker_id,
    CASE WHEN e.at < r.restored_at THEN r.workers ->> e.worker_id::text ELSE w.name END AS worker,
    b.handler,
    b.status AS batch_status,
    coalesce(
        (
            SELECT
                CASE
                    WHEN h.status <> 'crashed' THEN h.status::text
                    WHEN h.item_count = 1 AND h.crashes + h.losses > 0 THEN 'poison'
                    ELSE 'crashed'
                END
            FROM evtrack.batch AS h
            WHERE
                h.job_day = e.job_day AND h.job_id = e.job_id AND h.ordinals @> o.ordinal
                AND h.batch_no = coalesce(
                    (
                        SELECT max(d.batch_no)
                        FROM evtrack.batch AS d
                        WHERE
                            d.job_day = e.job_day AND d.job_id = e.job_id
                            AND d.root_no = coalesce(b.root_no, e.batch_no) AND d.ordinals @> o.ordinal
                    ),
                    b.root_no,
                    e.batch_no
                )
        ),
        b.status::text
    ) AS fate,
    b.item_count,
    b.item_summary,
    CASE WHEN jsonb_typeof(e.data -> 'run_s') = 'number' THEN (e.data ->> 'run_s')::double precision END AS run_s,
    e.data ->> 'stderr' AS stderr,
    e.data AS dossier,
    coalesce(e.data -> 'poison' = 'true', false) AS poison,
    CASE WHEN e.at < r.restored_at THEN e.data ->> 'host' ELSE coalesce(w.host, e.data ->> 'host') END AS host,
    CASE WHEN jsonb_typeof(e.data -> 'pid') = 'number' THEN (e.data ->> 'pid')::numeric::bigint END AS pid,
    CASE
        WHEN jsonb_typeof(e.data -> 'peak_rss_bytes') = 'number'
            THEN (e.data ->> 'peak_rss_bytes')::numeric::bigint
    END AS peak_rss_bytes,
    CASE WHEN jsonb_typeof(e.data -> 'cpu_s') = 'number' THEN (e.data ->> 'cpu_s')::double precision END AS cpu_s,
    e.job_day
FROM evtrack.job AS j
INNER JOIN evtrack.event AS e ON j.job_day = e.job_day AND j.job_id = e.job_id
CROSS JOIN
    LATERAL (
        SELECT CASE WHEN e.data ->> 'ordinal' ~ '^[0-9]{1,9}$' THEN (e.data ->> 'ordinal')::integer END AS ordinal
    ) AS o
CROSS JOIN
    LATERAL (
        SELECT
            s.handler,
            s.status,
            s.root_no,
            s.item_count,
            s.item_summary
        FROM evtrack.batch_status AS s
        WHERE s.job_id = e.job_id AND s.batch_no = e.batch_no
        OFFSET 0 -- noqa: AM09
    ) AS b
LEFT JOIN evtrack.worker AS w ON e.worker_id = w.worker_id
LEFT JOIN evtrack.restored AS r ON e.job_id = r.job_id AND r.workers IS NOT NULL
WHERE e.type = 'crashed' AND e.version > 2;

COMMENT ON VIEW evtrack.crash IS
'One row per crash of a process, worker or host, or hang; also of batches that were completed later.';
COMMENT ON COLUMN evtrack.crash.cause IS
'What ended the process: signal, exit_code, out_of_memory, timeout, stalled, memory_limit, pipe_closed (it closed its '
'channel to the supervisor), protocol (it wrote invalid data there), worker_lost, unknown.';
COMMENT ON COLUMN evtrack.crash.signal IS 'Name of the signal that killed it, for example SIGSEGV; or null.';
COMMENT ON COLUMN evtrack.crash.item_key IS 'Key of the item in hand; null if unknown.';
COMMENT ON COLUMN evtrack.crash.ordinal IS 'Ordinal of the item in hand; null if unknown.';
COMMENT ON COLUMN evtrack.crash.batch_status IS 'The current status of the batch.';
COMMENT ON COLUMN evtrack.crash.fate IS
'What has become of the item in hand: poison, or the status of the batch that holds it now (completed, pending, '
'running, failed, cancelled, crashed); if the item in hand is unknown, the status of the batch.';
COMMENT ON COLUMN evtrack.crash.item_summary IS
'Items that the batch holds now; after a split they are in other batches.';
COMMENT ON COLUMN evtrack.crash.dossier IS 'The whole crash report.';
COMMENT ON COLUMN evtrack.crash.poison IS
'Whether this crash used up the crash budget of the item in hand: it stays crashed until a user retries it.';
COMMENT ON COLUMN evtrack.crash.pid IS 'The process that died, on that host; for a lost worker, the worker process.';
COMMENT ON COLUMN evtrack.crash.peak_rss_bytes IS 'Peak memory of the process.';
COMMENT ON COLUMN evtrack.crash.cpu_s IS 'CPU time of the process, in seconds.';
COMMENT ON COLUMN evtrack.crash.job_day IS
'The UTC day of the job. Filter by it to query recent jobs only: other days are then not read at all.';
