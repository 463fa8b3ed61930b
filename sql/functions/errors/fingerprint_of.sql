-- Return the fingerprint of an error as a failed event has it: of its first
-- item, if the handler works item by item, as in the view error_summary. Never
-- raises an error.
CREATE OR REPLACE FUNCTION evtrack.fingerprint_of(error jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT evtrack.error_fingerprint(o.one ->> 'type', o.one ->> 'message',
        evtrack.error_place(o.one ->> 'traceback'))
    FROM (
        SELECT CASE
            WHEN jsonb_typeof(error #> '{items,0}') = 'object'
                THEN error #> '{items,0}'
            WHEN jsonb_typeof(error) = 'object' THEN error
            ELSE jsonb_build_object('message', error #>> '{}') END AS one
    ) o
$$;
