-- Split a multirange of two or more ordinals into two of equal size.
CREATE OR REPLACE FUNCTION evtrack.halves(items int4multirange)
RETURNS int4multirange[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    WITH run AS (
        SELECT lower(r) AS first, upper(r) - lower(r) AS n,
            coalesce(sum(upper(r) - lower(r)) OVER (
                ORDER BY lower(r)
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
        FROM unnest(items) r
    ), cut AS (
        SELECT (run.first + half.n - run.before)::integer AS at
        FROM run, LATERAL (
            SELECT (evtrack.item_count(items) + 1) / 2 AS n
        ) half
        WHERE run.before < half.n AND half.n <= run.before + run.n
    )
    SELECT ARRAY[
        items * int4multirange(int4range(NULL, cut.at)),
        items * int4multirange(int4range(cut.at, NULL))]
    FROM cut
$$;
