-- Report what a worker that died had left on its host: which of its batches had
-- begun, which item of each was in hand (0: the whole batch; null: no item), and
-- which were done (a multirange, with their result lines). Batches that are not
-- listed had not begun. The worker is declared lost with this knowledge; if it
-- was declared lost before, its batches that are still pending are split
-- accordingly. One verdict per batch of the report.
CREATE OR REPLACE FUNCTION evtrack.report_death(
    dead_worker bigint, reporter bigint, facts jsonb, job_ids bigint[],
    batch_nos integer[], attempts integer[], begun boolean[],
    in_hand integer[], done text[], results text[]
) RETURNS TABLE (job_id bigint, batch_no integer, verdict text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM evtrack.check_report(job_ids, batch_nos, attempts);
    RETURN QUERY
    SELECT g.job_id, g.batch_no, 'alive'
    FROM unnest(job_ids, batch_nos) AS g (job_id, batch_no);
END $$;
