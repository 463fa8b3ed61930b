-- Take a log over that was written in another cluster and came here in a dump.
-- The transactions that its events name are none of this cluster, so all that
-- is there is marked as restored; readers find it before everything else.
-- Called by who reads the log in its order, works, finishes or cleans up, at
-- once where the log is of this cluster. Returns whether it was taken over now.
CREATE OR REPLACE FUNCTION evtrack.settle_log() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s' AS $$
DECLARE
    here bigint := (SELECT c.system_identifier FROM pg_control_system() c);
    newest bigint;
BEGIN
    PERFORM FROM evtrack.cluster c WHERE c.system_identifier = here;
    -- A standby has the log of its primary, which is of the same cluster.
    IF FOUND OR pg_is_in_recovery() THEN
        RETURN false;
    END IF;
    -- Who appends now would be seen by nobody: it has its seq already, and
    -- commits after readers have passed. Writers come in by the parent.
    LOCK TABLE ONLY evtrack.event IN SHARE ROW EXCLUSIVE MODE;
    PERFORM FROM evtrack.cluster c WHERE c.system_identifier = here;
    IF FOUND THEN
        RETURN false; -- another did it while this one waited
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
