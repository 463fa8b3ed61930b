-- Whether one of these jobs of a day has a batch that must run alone in its
-- worker and is due.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.has_isolated(day date, job_ids bigint[])
RETURNS boolean
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    due_by timestamptz := evtrack.due_by();
BEGIN
    RETURN EXISTS (
        SELECT FROM evtrack.batch b
        WHERE b.job_day = day AND b.job_id = ANY(job_ids)
            AND b.run_at <= due_by AND (b.run_at <= statement_timestamp()
                OR coalesce(b.started_at, b.enqueued_at)
                    > statement_timestamp())
            AND b.isolation IN ('memory', 'exclusive'));
END $$;
