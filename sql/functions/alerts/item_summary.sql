-- Return the first three item keys and the number of others, as in the view
-- batch_status: PMC:123, PMC:456, PMC:789... (7 more).
CREATE OR REPLACE FUNCTION evtrack.item_summary(
    the_day date, the_job bigint, items int4multirange
) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT coalesce(
            string_agg(left(first.item_key, 80), ', ' ORDER BY first.ordinal),
            CASE evtrack.item_count(items)
                WHEN 0 THEN '(no items)' WHEN 1 THEN '(1 item)'
                ELSE '(' || evtrack.item_count(items) || ' items)' END)
        || CASE WHEN count(*) > 0 AND evtrack.item_count(items) > count(*)
            THEN '... (' || evtrack.item_count(items) - count(*) || ' more)'
            ELSE '' END
    FROM (
        SELECT p.ordinal, coalesce(p.item_key, '#' || p.ordinal) AS item_key
        FROM evtrack.payload p
        WHERE p.job_day = the_day AND p.job_id = the_job
            AND p.ordinal >= lower(items) AND p.ordinal < upper(items)
            AND items @> p.ordinal
        ORDER BY p.ordinal LIMIT 3
    ) AS first
$$;
