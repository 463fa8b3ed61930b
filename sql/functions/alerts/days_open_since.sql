-- The days of the jobs that are open, or have been since a time. A caller that
-- names these days locks no other partitions.
CREATE OR REPLACE FUNCTION evtrack.days_open_since(start timestamptz)
RETURNS date[]
LANGUAGE sql STABLE AS $$
    SELECT ARRAY(
        SELECT DISTINCT j.job_day FROM evtrack.job j
        WHERE j.phase IN ('open', 'abandoned', 'sealed')
            OR greatest(j.finished_at, j.cancelled_at) > start)
$$;
