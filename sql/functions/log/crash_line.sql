-- A crash in one line, for a batch's `error`: cause, exit code, item in hand.
-- Where a limit is the cause, the signal is only how it was enforced.
CREATE OR REPLACE FUNCTION evtrack.crash_line(data jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT left(concat_ws(' ',
        CASE WHEN coalesce(data ->> 'cause', 'unknown') IN ('signal', 'unknown')
            THEN coalesce(data ->> 'signal', data ->> 'cause', 'unknown')
            ELSE data ->> 'cause' END,
        data ->> 'exit_code', 'at ' || (data ->> 'item_key')), 300)
$$;
