SELECT
    item_key,
    ordinal,
    batch_no,
    verdict
FROM evtrack.quarantine(%(job_id)s, %(item_keys)s::text[])
