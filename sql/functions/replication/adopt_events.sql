-- Make a log that was written in another cluster belong to this one: mark all
-- of its events as restored, and set the sequences beyond what is there.
CREATE OR REPLACE FUNCTION evtrack.adopt_events() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    newest bigint;
    numbered record;
BEGIN
    -- Block writers: an event that has its seq already and commits later would
    -- be missed by readers. All writers lock the parent table.
    LOCK TABLE ONLY evtrack.event IN SHARE ROW EXCLUSIVE MODE;
    newest := (SELECT s.last_value FROM evtrack.event_seq s);
    -- A dump brings the sequence along, logical replication does not. Read all
    -- of a long log only then.
    IF EXISTS (
        SELECT FROM (
            SELECT e.seq FROM evtrack.event e ORDER BY e.xid DESC LIMIT 1000
        ) latest
        WHERE latest.seq > newest
    ) THEN
        newest := (SELECT max(e.seq) FROM evtrack.event e);
    END IF;
    PERFORM setval('evtrack.event_seq', newest);
    PERFORM setval('evtrack.job_id_seq', j.newest)
    FROM (
        SELECT greatest((SELECT max(o.job_id) FROM evtrack.job o),
            (SELECT max(l.job_id) FROM evtrack.ledger l)) AS newest
    ) j
    WHERE j.newest >= (SELECT s.last_value FROM evtrack.job_id_seq s);
    FOR numbered IN
        SELECT a.attrelid::regclass AS of, a.attname AS col,
            pg_get_serial_sequence(a.attrelid::regclass::text, a.attname) AS seq
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'evtrack'::regnamespace
            AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND a.attidentity <> ''
    LOOP
        EXECUTE format('SELECT setval(%L, m.newest) FROM (SELECT max(%I) AS '
            'newest FROM %s) m WHERE m.newest >= (SELECT last_value FROM %s)',
            numbered.seq, numbered.col, numbered.of, numbered.seq);
    END LOOP;
    INSERT INTO evtrack.restored (job_id, job_day, last_seq, with_items)
    SELECT j.job_id, j.job_day, newest, true FROM evtrack.job j
    ON CONFLICT (job_id) DO UPDATE SET
        job_day = excluded.job_day, last_seq = excluded.last_seq;
    -- What their snapshots name are transactions of the other cluster.
    DELETE FROM evtrack.digest_part;
    DELETE FROM evtrack.cluster;
    INSERT INTO evtrack.cluster (system_identifier)
    SELECT c.system_identifier FROM pg_control_system() c;
END $$;
