CREATE OR REPLACE VIEW evtrack.table_size AS
SELECT -- noqa: ST06
    parent.relname::text AS table_name,
    count(*) FILTER (WHERE leaf.level > 0) AS partitions,
    coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint AS row_estimate,
    coalesce(sum(pg_table_size(c.oid)), 0)::bigint AS table_bytes,
    coalesce(sum(pg_indexes_size(c.oid)), 0)::bigint AS index_bytes,
    -- pg_total_relation_size would look at all files again.
    coalesce(sum(pg_table_size(c.oid)) + sum(pg_indexes_size(c.oid)), 0)::bigint AS total_bytes,
    pg_size_pretty(coalesce(sum(pg_table_size(c.oid)) + sum(pg_indexes_size(c.oid)), 0)) AS total
FROM pg_catalog.pg_class AS parent
INNER JOIN pg_catalog.pg_namespace AS n ON parent.relnamespace = n.oid
CROSS JOIN
    LATERAL (
        SELECT
            t.relid,
            t.level
        FROM pg_partition_tree(parent.oid) AS t
        WHERE t.isleaf
        UNION ALL
        SELECT
            parent.oid::regclass AS relid,
            0 AS level
        WHERE parent.relkind = 'r'
    ) AS leaf
INNER JOIN pg_catalog.pg_class AS c ON leaf.relid = c.oid
WHERE n.nspname = 'evtrack' AND parent.relkind IN ('r', 'p') AND NOT parent.relispartition
GROUP BY parent.relname
ORDER BY total_bytes DESC;

COMMENT ON VIEW evtrack.table_size IS
'Size on disk of each evtrack table, including its day partitions, largest first.';
COMMENT ON COLUMN evtrack.table_size.row_estimate IS 'Rows as of the last ANALYZE or VACUUM.';
COMMENT ON COLUMN evtrack.table_size.table_bytes IS 'Size of the rows, including values stored out of line.';
