-- OFFSET 0: crashes are few, so each looks up its batch. Left free, the planner of a day that was never analysed
-- walks all batches of the job instead.
-- Version 2 of a stream is no crash of its own: the batch was made of a poison item, and its parent has the crash.
-- Figures in a dossier are read only where they are numbers: a client's odd value must not break the view.
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
        SELECT
            s.handler,
            s.status,
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
'One row a crash, also of batches that were completed later: a process, worker or host that died, or hung.';
COMMENT ON COLUMN evtrack.crash.cause IS
'What ended the process: signal, exit_code, out_of_memory, timeout, stalled, memory_limit, pipe_closed (it closed its '
'channel to the supervisor), protocol (it wrote nonsense there), worker_lost, unknown.';
COMMENT ON COLUMN evtrack.crash.signal IS 'Name of the signal, SIGSEGV; null if none ended it.';
COMMENT ON COLUMN evtrack.crash.item_key IS 'Key of the item in hand; null if it is not known.';
COMMENT ON COLUMN evtrack.crash.ordinal IS 'Ordinal of the item in hand; null if it is not known.';
COMMENT ON COLUMN evtrack.crash.batch_status IS 'The status of the batch now.';
COMMENT ON COLUMN evtrack.crash.item_summary IS
'Items that the batch holds now: after a split they are in other batches.';
COMMENT ON COLUMN evtrack.crash.dossier IS 'All that was recorded of the crash.';
COMMENT ON COLUMN evtrack.crash.poison IS
'Whether the item in hand spent its last crash with it: it stays crashed until a person brings it back.';
COMMENT ON COLUMN evtrack.crash.pid IS 'The process that died, on that host; of a lost worker, the worker.';
COMMENT ON COLUMN evtrack.crash.peak_rss_bytes IS 'Most memory that the process held.';
COMMENT ON COLUMN evtrack.crash.cpu_s IS 'CPU time that the process had used.';
COMMENT ON COLUMN evtrack.crash.job_day IS
'The UTC day of the job. To ask for recent jobs only, filter by it: whole days are then not even looked at.';
