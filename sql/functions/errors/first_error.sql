-- Return the error by which a failed event is known: that of its first item, if
-- the handler works item by item, else its own. Never raises an error. A plain
-- expression, so that it is inlined.
CREATE OR REPLACE FUNCTION evtrack.first_error(error jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN jsonb_typeof(error #> '{items,0}') = 'object'
            THEN error #> '{items,0}'
        WHEN jsonb_typeof(error) = 'object' THEN error
        ELSE jsonb_set('{}', '{message}', error) END
$$;
