-- Return what the log keeps of an error that a handler raised. A small,
-- readable error is kept whole. Of any other, the known keys are kept, with
-- each text cut, and as many of its items as fit: a client's megabytes must not
-- become events.
CREATE OR REPLACE FUNCTION evtrack.error_facts(error jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN error IS NULL OR (octet_length(error::text) <= 64000
            AND evtrack.is_readable(error)) THEN error
        WHEN jsonb_typeof(error) = 'object' THEN
            jsonb_build_object('type', left(error ->> 'type', 500),
                'message', left(error ->> 'message', 16000),
                'traceback', left(error ->> 'traceback', 16000),
                'items', (
                    SELECT jsonb_agg(i.item ORDER BY i.place)
                        FILTER (WHERE i.bytes <= 1000000)
                    FROM (
                        SELECT b.item, b.place, sum(octet_length(b.item::text))
                            OVER (ORDER BY b.place) AS bytes
                        FROM (
                            SELECT u.place, jsonb_strip_nulls(
                                jsonb_build_object(
                                    'ordinal', CASE WHEN u.item ->> 'ordinal'
                                        ~ '^[0-9]{1,9}$'
                                        THEN u.item -> 'ordinal' END,
                                    'key', left(u.item ->> 'key', 1000),
                                    'type', left(u.item ->> 'type', most.n),
                                    'message',
                                    left(u.item ->> 'message', most.n),
                                    'traceback',
                                    left(u.item ->> 'traceback', most.n)
                                )) AS item
                            FROM jsonb_array_elements(l.items)
                                WITH ORDINALITY AS u (item, place)
                            CROSS JOIN (
                                SELECT least(16000, greatest(100, 250000
                                    / jsonb_array_length(l.items))) AS n
                            ) most
                        ) b
                    ) i))
        ELSE to_jsonb(left(error #>> '{}', 16000)) END
    FROM (
        SELECT CASE jsonb_typeof(error -> 'items') WHEN 'array'
            THEN nullif(error -> 'items', '[]') END AS items
    ) l
$$;
