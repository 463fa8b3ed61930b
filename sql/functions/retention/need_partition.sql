-- Create the partitions of a day if they are missing. Workers create them
-- ahead; if none has run for a week, this is the last resort, and better than
-- rejecting the work.
CREATE OR REPLACE FUNCTION evtrack.need_partition(day date) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass(format('evtrack.result_%s', to_char(day, 'YYYYMMDD')))
        IS NULL THEN
        PERFORM evtrack.make_partitions(day, 2);
    END IF;
END $$;
