-- Which item was in hand, as facts of a crash: its ordinal, and its key if the
-- items are stored.
CREATE OR REPLACE FUNCTION evtrack.item_facts(
    j evtrack.job, the_ordinal integer
) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object(
        'ordinal', the_ordinal, 'item_key', (
            SELECT p.item_key FROM evtrack.payload p
            WHERE p.job_day = j.job_day AND p.job_id = j.job_id
                AND p.ordinal = the_ordinal)))
$$;
