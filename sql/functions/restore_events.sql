-- Bring events of a day that was dropped back, lines of JSON as the archive has
-- them, each with its own time, seq and xid. The fold would refuse them, so
-- they go around it, into the partition itself; whoever calls this makes the
-- projection from them in the same transaction and holds it to the archive's
-- digest. The owner's alone: it takes the guard of the partition away for as
-- long as the transaction lasts. Returns how many.
CREATE OR REPLACE FUNCTION evtrack.restore_events(
    the_day date, events text[]
) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part text := format('event_%s', to_char(the_day, 'YYYYMMDD'));
    n bigint;
BEGIN
    EXECUTE format(
        'ALTER TABLE evtrack.%I DISABLE TRIGGER event_partition', part);
    EXECUTE format(
        'INSERT INTO evtrack.%I SELECT e.* FROM unnest($1) l CROSS JOIN LATERAL '
        'json_populate_record(NULL::evtrack.event, l::json) e', part)
    USING events;
    GET DIAGNOSTICS n = ROW_COUNT;
    EXECUTE format(
        'ALTER TABLE evtrack.%I ENABLE ALWAYS TRIGGER event_partition', part);
    RETURN n;
END $$;
