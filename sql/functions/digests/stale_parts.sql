-- List the parts of a job's digest in which a batch has had an event since the
-- part was computed: a late result, or a retry. Reads the latest events of the
-- day, not those of the job, which may be millions.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.stale_parts(j evtrack.job)
RETURNS SETOF integer
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    restored_seq bigint := (
        SELECT r.last_seq FROM evtrack.restored r WHERE r.job_id = j.job_id);
    oldest xid8 := (
        SELECT pg_snapshot_xmin(d.seen) FROM evtrack.digest_part d
        WHERE d.job_id = j.job_id ORDER BY 1 LIMIT 1);
BEGIN
    RETURN QUERY
    SELECT DISTINCT d.part
    FROM evtrack.event e
    JOIN evtrack.digest_part d ON d.job_id = j.job_id
        AND d.part = (e.batch_no - 1) / evtrack.digest_part_size()
    WHERE e.job_day = j.job_day AND e.xid >= oldest
        AND e.job_id + 0 = j.job_id AND e.batch_no > 0
        -- Restored events name transactions of another cluster.
        AND e.seq > coalesce(restored_seq, 0)
        AND NOT pg_visible_in_snapshot(e.xid, d.seen);
END $$;
