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
    newest bigint;
BEGIN
    PERFORM FROM evtrack.cluster c WHERE c.system_identifier = here;
    -- A standby has the log of its primary: the same cluster.
    IF FOUND OR pg_is_in_recovery() THEN
        RETURN false;
    END IF;
    -- Block writers: an event that has its seq already and commits later would
    -- be missed by readers. All writers lock the parent table.
    LOCK TABLE ONLY evtrack.event IN SHARE ROW EXCLUSIVE MODE;
    PERFORM FROM evtrack.cluster c WHERE c.system_identifier = here;
    IF FOUND THEN
        RETURN false; -- another session did it during the wait
    END IF;
    newest := greatest((SELECT max(e.seq) FROM evtrack.event e),
        (SELECT s.last_value FROM evtrack.event_seq s));
    PERFORM setval('evtrack.event_seq', newest);
    INSERT INTO evtrack.restored (job_id, job_day, last_seq, with_items)
    SELECT e.job_id, min(e.job_day), newest, true FROM evtrack.event e
    WHERE e.version = 1 GROUP BY e.job_id
    ON CONFLICT (job_id) DO UPDATE SET
        job_day = excluded.job_day, last_seq = excluded.last_seq;
    DELETE FROM evtrack.cluster;
    INSERT INTO evtrack.cluster (system_identifier) VALUES (here);
    RETURN true;
END $$;
