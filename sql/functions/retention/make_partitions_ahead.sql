-- Create the missing partitions of today and the coming days. Workers and
-- watchers may call this one, because they cannot choose the days.
CREATE OR REPLACE FUNCTION evtrack.make_partitions_ahead() RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT evtrack.make_partitions()
$$;
