-- The size on disk of each table.
SELECT
    table_name,
    partitions,
    row_estimate,
    table_bytes,
    index_bytes,
    total_bytes
FROM evtrack.table_size
ORDER BY total_bytes DESC
