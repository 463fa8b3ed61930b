-- Return up to which run_at batches may be due: now. For a while after the server's
-- clock was set back, those that waited then are due as they would have been:
-- the caller checks that their last attempt began later than now. Whatever begins
-- to wait since then waits by the new time.
CREATE OR REPLACE FUNCTION evtrack.due_by() RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT statement_timestamp() + CASE WHEN u.back_from
        > statement_timestamp() THEN u.set_back ELSE '0' END
    FROM evtrack.upkeep u
$$;
