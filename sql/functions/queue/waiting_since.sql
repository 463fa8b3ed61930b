-- Return since when a job's oldest pending batch waits: when its first new batch
-- was enqueued, or when its first retried batch may run, whichever is earlier.
-- Planner settings: docs/planner.md.
CREATE OR REPLACE FUNCTION evtrack.waiting_since(the_day date, the_job bigint)
RETURNS timestamptz
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_sort = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN coalesce(
        least(
            (
                SELECT b.enqueued_at FROM evtrack.batch b
                WHERE b.job_day = the_day AND b.job_id = the_job AND b.fresh
                    AND b.batch_no > (
                        SELECT j.fresh_after FROM evtrack.job j
                        WHERE j.job_id = the_job)
                ORDER BY b.batch_no LIMIT 1
            ),
            (
                SELECT b.run_at FROM evtrack.batch b
                WHERE b.job_day = the_day AND b.job_id = the_job
                    AND b.run_at IS NOT NULL
                ORDER BY b.run_at LIMIT 1
            )),
        -- Only if the mark is too high, which is a fault that verify reports.
        (
            SELECT b.enqueued_at FROM evtrack.batch b
            WHERE b.job_day = the_day AND b.job_id = the_job AND b.fresh
            ORDER BY b.batch_no LIMIT 1
        ));
END $$;
