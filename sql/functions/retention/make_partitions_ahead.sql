-- Make the partitions of today and the days to come that are not there yet.
-- What workers and watchers may call: which days is not theirs to choose.
CREATE OR REPLACE FUNCTION evtrack.make_partitions_ahead() RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT evtrack.make_partitions()
$$;
