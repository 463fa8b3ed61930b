-- Restore events of a dropped day from the archive's lines of JSON, each with
-- its own time, seq and xid. The fold would reject them, so they are inserted
-- into the partition directly; the caller rebuilds the projection from them in
-- the same transaction and compares it with the archive's digest. For the owner
-- only, because it disables the partition's guard for the transaction. The
-- events are marked as restored, because their transactions may belong to
-- another cluster. Returns how many there were.
CREATE OR REPLACE FUNCTION evtrack.restore_events(
    the_day date, events text[]
) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part text := format('event_%s', to_char(the_day, 'YYYYMMDD'));
    n bigint;
    newest bigint;
BEGIN
    EXECUTE format(
        'ALTER TABLE evtrack.%I DISABLE TRIGGER event_partition', part);
    EXECUTE format(
        'WITH added AS ('
        'INSERT INTO evtrack.%I SELECT e.* FROM unnest($1) l CROSS JOIN LATERAL '
        'json_populate_record(NULL::evtrack.event, l::json) e '
        'RETURNING job_id, seq'
        '), marked AS ('
        'INSERT INTO evtrack.restored AS r '
        '(job_id, job_day, last_seq, with_items) '
        'SELECT a.job_id, $2, max(a.seq), false FROM added a GROUP BY a.job_id '
        'ON CONFLICT (job_id) DO UPDATE '
        'SET last_seq = greatest(r.last_seq, excluded.last_seq) '
        'RETURNING last_seq'
        ') SELECT (SELECT count(*) FROM added), max(m.last_seq) FROM marked m',
        part)
    INTO n, newest USING events, the_day;
    EXECUTE format(
        'ALTER TABLE evtrack.%I ENABLE ALWAYS TRIGGER event_partition', part);
    -- Later events of a restored job must have higher numbers than its restored
    -- ones. Leave a gap, so that numbers that others take now are not reused.
    PERFORM setval('evtrack.event_seq', newest + 1000000)
    FROM evtrack.event_seq s WHERE s.last_value <= newest;
    RETURN n;
END $$;
