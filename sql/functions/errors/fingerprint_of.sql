-- Return the fingerprint of an error as a failed event has it: of its first
-- item, if the handler works item by item, as in the view error_summary. Never
-- raises an error.
CREATE OR REPLACE FUNCTION evtrack.fingerprint_of(error jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT evtrack.error_fingerprint(o.one ->> 'type', o.one ->> 'message',
        evtrack.error_place(o.one ->> 'traceback'))
    FROM (
        SELECT evtrack.first_error(error) AS one
    ) o
$$;
