-- Return single failed or crashed items of a job to pending, by their keys,
-- with new budgets; a finished job is reopened for them. Items of one batch
-- move to one new batch, and the old one keeps the others; a batch whose items
-- all return is itself requeued. One row per item: its verdict is `retry`, its
-- status if it could not be retried (pending, running, completed, ...), or
-- `unknown` if no item has this key. Notify 'evtrack_work' with the handler's
-- name after the commit.
CREATE OR REPLACE FUNCTION evtrack.retry_items(
    the_job bigint, item_keys text[],
    statuses text[] DEFAULT '{failed,crashed}',
    batch_nos integer[] DEFAULT NULL
) RETURNS TABLE (item_key text, ordinal integer, batch_no integer, verdict text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j evtrack.job := evtrack.lock_job(the_job);
BEGIN
    IF (statuses <@ '{failed,crashed}'::text[]) IS NOT TRUE THEN
        RAISE EXCEPTION 'cannot retry items with statuses %',
            coalesce(statuses::text, 'null')
            USING ERRCODE = 'EV007',
            HINT = 'Only failed and crashed items can be retried.';
    END IF;
    IF j.phase = 'cancelled' THEN
        RAISE EXCEPTION 'job % is cancelled: its items cannot be retried',
            the_job USING ERRCODE = 'EV004', HINT = 'Submit a new job.';
    END IF;
    RETURN QUERY SELECT * FROM evtrack.move_items(
        j, item_keys, statuses, batch_nos, 'retry');
END $$;
