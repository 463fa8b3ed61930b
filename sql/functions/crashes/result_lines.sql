-- Return the result line of each finished item of a report.
CREATE OR REPLACE FUNCTION evtrack.result_lines(
    done int4multirange, results text
) RETURNS TABLE (ordinal integer, line text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT o.ordinal, l.line
    FROM (
        SELECT u.ordinal, row_number() OVER (ORDER BY u.ordinal) AS place
        FROM unnest(done) r
        CROSS JOIN LATERAL generate_series(lower(r), upper(r) - 1)
            AS u (ordinal)
    ) o
    LEFT JOIN string_to_table(results, E'\n') WITH ORDINALITY
        AS l (line, place) ON l.place = o.place
$$;
