-- Bring events of a day that was dropped back, lines of JSON as the archive has
-- them, each with its own time, seq and xid. The fold would refuse them, so
-- they go around it, into the partition itself; whoever calls this makes the
-- projection from them in the same transaction and holds it to the archive's
-- digest. The owner's alone: it takes the guard of the partition away for as
-- long as the transaction lasts. What comes back is marked as restored: its
-- transactions may be of another cluster. Returns how many.
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
    -- What a restored job does from now on comes after what it has done. Far
    -- enough, so that numbers which others take meanwhile are not given twice.
    PERFORM setval('evtrack.event_seq', newest + 1000000)
    FROM evtrack.event_seq s WHERE s.last_value <= newest;
    RETURN n;
END $$;
