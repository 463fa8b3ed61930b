-- Sum up the attempts that transactions in [lo, hi) recorded. A sum does not depend on order, so any range below the
-- horizon is a valid window. `bounds` are the negated upper bounds of a histogram, so that a value equal to a bound
-- counts below it; `fits` is the number of buckets into which an attempt falls.
SELECT
    handler,
    outcome,
    cause,
    CASE WHEN run_s IS NOT NULL THEN width_bucket(-run_s, %(bounds)s::float8[]) END AS fits,
    count(*) AS attempts,
    coalesce(sum(run_s), 0)::float8 AS run_s
FROM evtrack.attempt
WHERE
    xid >= %(lo)s::text::xid8
    AND xid < %(hi)s::text::xid8
GROUP BY handler, outcome, cause, fits
