-- Keep single items of a job out, by their keys, without running them: those
-- that are pending, failed or crashed are cancelled, in a batch of their own
-- where their batch holds others too. One row an item: its verdict is
-- `quarantined`, or what it is instead (running, completed, cancelled;
-- `unknown`: no item has this key). Call finish_due() after the commit.
CREATE OR REPLACE FUNCTION evtrack.quarantine(the_job bigint, item_keys text[])
RETURNS TABLE (item_key text, ordinal integer, batch_no integer, verdict text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j evtrack.job := evtrack.lock_job(the_job);
BEGIN
    RETURN QUERY SELECT * FROM evtrack.move_items(
        j, item_keys, '{pending,failed,crashed}', NULL, 'quarantined');
END $$;
