-- Submit a small job in one call; keys and payloads are lines.
SELECT evtrack.enqueue(
    %(handler)s::text,
    string_to_array(%(item_keys)s::text, E'\n'),
    string_to_array(%(payloads)s::text, E'\n'),
    %(name)s::text,
    %(priority)s::smallint,
    %(policy)s::jsonb,
    %(batch_size)s::integer
) AS job_id
