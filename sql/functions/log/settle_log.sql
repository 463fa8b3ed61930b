-- Adopt a log that was written in another cluster and came here in a dump.
-- Transactions that its events name do not belong to this cluster, so all
-- existing events are marked as restored, and readers find them before all
-- others. Programs call it before they read the log in order, work, finish a
-- job or clean up; it returns at once if the log belongs to this cluster.
-- Returns whether it adopted the log now.
CREATE OR REPLACE FUNCTION evtrack.settle_log() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s' AS $$
DECLARE
    here bigint := (SELECT c.system_identifier FROM pg_control_system() c);
BEGIN
    PERFORM FROM evtrack.cluster c WHERE c.system_identifier = here;
    -- A standby has the log of its primary: the same cluster.
    IF FOUND OR pg_is_in_recovery() THEN
        RETURN false;
    END IF;
    LOCK TABLE ONLY evtrack.event IN SHARE ROW EXCLUSIVE MODE;
    PERFORM FROM evtrack.cluster c WHERE c.system_identifier = here;
    IF FOUND THEN
        RETURN false; -- another session did it during the wait
    END IF;
    PERFORM evtrack.adopt_events();
    RETURN true;
END $$;
