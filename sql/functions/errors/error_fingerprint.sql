-- Return twelve hexadecimal digits that are the same for all occurrences of an
-- error: its type, the shape of its message (evtrack.error_shape) and the place
-- where it was raised (evtrack.error_place of its traceback; null if unknown).
-- Never raises an error.
CREATE OR REPLACE FUNCTION evtrack.error_fingerprint(
    type text, message text, place text DEFAULT NULL
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT left(encode(sha256(convert_to(
        coalesce(left(type, 500), '') || E'\n'
        || coalesce(evtrack.error_shape(message), '') || E'\n'
        || coalesce(place, ''), 'UTF8')), 'hex'), 12)
$$;
