-- Attempts that transactions in [lo, hi) recorded, summed up. Order does not matter to a sum, so any part of what lies
-- below the horizon is a good window. `bounds` are the negated upper bounds of a histogram, so that what lies on a
-- bound counts below it: `fits` says into how many of its buckets an attempt falls.
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
