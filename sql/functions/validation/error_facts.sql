-- Return what the log keeps of an error that a handler raised. A small,
-- readable error is kept whole. Of any other, the known keys are kept, with
-- each text cut, and as many of its items as fit: a client's megabytes must not
-- become events. The items are a variable, because an expression would be
-- computed, and its megabytes copied, once for each item.
CREATE OR REPLACE FUNCTION evtrack.error_facts(error jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    items jsonb;
    most integer;
BEGIN
    IF error IS NULL OR (octet_length(error::text) <= 64000
        AND evtrack.is_readable(error)) THEN
        RETURN error;
    ELSIF jsonb_typeof(error) <> 'object' THEN
        RETURN to_jsonb(left(error #>> '{}', 16000));
    END IF;
    IF jsonb_typeof(error -> 'items') = 'array' THEN
        items := nullif(error -> 'items', '[]');
        most := least(
            16000, greatest(100, 250000 / jsonb_array_length(items)));
    END IF;
    RETURN jsonb_build_object('type', left(error ->> 'type', 500),
        'message', left(error ->> 'message', 16000),
        'traceback', left(error ->> 'traceback', 16000),
        'items', (
            SELECT jsonb_agg(i.item ORDER BY i.place)
                FILTER (WHERE i.bytes <= 1000000)
            FROM (
                SELECT b.item, b.place, sum(octet_length(b.item::text))
                    OVER (ORDER BY b.place) AS bytes
                FROM (
                    SELECT u.place, jsonb_strip_nulls(jsonb_build_object(
                        'ordinal', CASE WHEN u.item ->> 'ordinal'
                            ~ '^[0-9]{1,9}$' THEN u.item -> 'ordinal' END,
                        'key', left(u.item ->> 'key', 1000),
                        'type', left(u.item ->> 'type', most),
                        'message', left(u.item ->> 'message', most),
                        'traceback', left(u.item ->> 'traceback', most)
                    )) AS item
                    FROM jsonb_array_elements(items)
                        WITH ORDINALITY AS u (item, place)
                ) b
            ) i));
END $$;
