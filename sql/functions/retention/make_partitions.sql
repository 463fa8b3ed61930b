-- Create the missing partitions of `days` days from `first_day` on. They are
-- created separately and then attached, so that writers of other days are never
-- blocked. Returns for how many days they were created.
CREATE OR REPLACE FUNCTION evtrack.make_partitions(
    first_day date DEFAULT (now() AT TIME ZONE 'UTC')::date,
    days integer DEFAULT 8
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    day date;
    parent text;
    part text;
    options text;
    made integer := 0;
BEGIN
    FOR day IN
        SELECT d::date FROM generate_series(
            first_day, first_day + (least(days, 366) - 1), interval '1 day') d
        WHERE to_regclass(format('evtrack.result_%s', to_char(d, 'YYYYMMDD')))
            IS NULL
    LOOP
        -- One session at a time; after waiting, the day may exist.
        PERFORM FROM evtrack.duty d WHERE d.duty = 'partitions' FOR UPDATE;
        CONTINUE WHEN to_regclass(
            format('evtrack.result_%s', to_char(day, 'YYYYMMDD'))) IS NOT NULL;
        FOREACH parent IN ARRAY '{event,batch,payload,result}'::text[] LOOP
            part := format('%s_%s', parent, to_char(day, 'YYYYMMDD'));
            options := CASE parent
                WHEN 'event' THEN ''
                -- Room for the rows of a start and of a completion beside those
                -- of the births: both are HOT updates then.
                WHEN 'batch' THEN ' WITH (fillfactor = 38)'
                ELSE ' WITH (toast_tuple_target = 8160)' END;
            EXECUTE format(
                'CREATE TABLE evtrack.%I (LIKE evtrack.%I INCLUDING ALL)%s',
                part, parent, options);
            IF parent = 'event' THEN
                EXECUTE format(
                    'CREATE TRIGGER event_partition BEFORE INSERT OR UPDATE '
                    'OR DELETE OR TRUNCATE ON evtrack.%I FOR EACH STATEMENT '
                    'EXECUTE FUNCTION evtrack.refuse()', part);
                EXECUTE format('ALTER TABLE evtrack.%I ENABLE ALWAYS TRIGGER '
                    'event_partition', part);
                -- Each batch gets two more entries beside its first: with room
                -- for them, no page of the index is split, and it is smaller.
                EXECUTE format(
                    'ALTER INDEX evtrack.%I SET (fillfactor = 30)',
                    part || '_pkey');
            END IF;
            EXECUTE format(
                'ALTER TABLE evtrack.%I ATTACH PARTITION evtrack.%I '
                'FOR VALUES FROM (%L) TO (%L)', parent, part, day, day + 1);
            IF parent = 'event' THEN
                EXECUTE format('ALTER TABLE evtrack.%I ENABLE ALWAYS TRIGGER '
                    'event_immutable', part);
            END IF;
        END LOOP;
        made := made + 1;
    END LOOP;
    IF made > 0 AND evtrack.is_receiving() THEN
        PERFORM evtrack.guard_partitions(false);
    END IF;
    RETURN made;
END $$;
