-- Bring single failed or crashed items of a job back to pending, by their keys,
-- budgets anew; a finished job is reopened for them. Items of one batch come
-- back in one new batch, and the old one keeps the rest; a batch all of whose
-- items come back does so itself. One row an item: its verdict is `retry`, or
-- what it is instead (pending, running, completed, ...; `unknown`: no item has
-- this key). Notify 'evtrack_work' with the handler after the commit.
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
        RAISE EXCEPTION 'cannot retry items that are %',
            coalesce(statuses::text, 'null')
            USING ERRCODE = 'EV007',
            HINT = 'Only failed and crashed items come back.';
    END IF;
    IF j.phase = 'cancelled' THEN
        RAISE EXCEPTION 'job % is cancelled: its items do not come back',
            the_job USING ERRCODE = 'EV004', HINT = 'Submit a new job.';
    END IF;
    RETURN QUERY SELECT * FROM evtrack.move_items(
        j, item_keys, statuses, batch_nos, 'retry');
END $$;
