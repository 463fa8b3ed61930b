-- Cancel single items of a job, by their keys, so that they never run: those
-- that are pending, failed or crashed, in a new batch if their batch holds
-- others too. One row per item: its verdict is `quarantined`, its status if it
-- could not be cancelled (running, completed, cancelled), or `unknown` if no
-- item has this key. Call finish_due() after the commit.
CREATE OR REPLACE FUNCTION evtrack.quarantine(the_job bigint, item_keys text[])
RETURNS TABLE (item_key text, ordinal integer, batch_no integer, verdict text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j evtrack.job := evtrack.lock_job(the_job);
BEGIN
    RETURN QUERY SELECT * FROM evtrack.move_items(
        j, item_keys, '{pending,failed,crashed}', NULL, 'quarantined');
END $$;
