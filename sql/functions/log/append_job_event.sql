-- Append one event to the stream of a job whose row the caller has locked.
CREATE OR REPLACE FUNCTION evtrack.append_job_event(
    j evtrack.job, type evtrack.event_type, data jsonb DEFAULT '{}'
) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, data)
    VALUES (j.job_day, j.job_id, 0, j.version + 1, type, data)
$$;
