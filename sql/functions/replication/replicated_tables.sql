-- The tables that another database would have to copy: all of them, without
-- the partitions of single days. `kind` is p for partitioned, else r.
CREATE OR REPLACE FUNCTION evtrack.replicated_tables()
RETURNS TABLE (name name, kind "char")
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.relname, c.relkind FROM pg_class c
    WHERE c.relnamespace = 'evtrack'::regnamespace
        AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY c.relname
$$;
