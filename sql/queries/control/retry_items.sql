SELECT
    item_key,
    ordinal,
    batch_no,
    verdict
FROM evtrack.retry_items(%(job_id)s, %(item_keys)s::text[], %(statuses)s::text[], %(batch_nos)s::integer[])
