-- Submit a small job in one call.
SELECT evtrack.enqueue(
    %(handler)s::text,
    %(item_keys)s::text[],
    %(payloads)s::text[],
    %(name)s::text,
    %(priority)s::smallint,
    %(policy)s::jsonb,
    %(batch_size)s::integer
) AS job_id
