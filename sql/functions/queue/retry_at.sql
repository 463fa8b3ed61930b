-- When a batch with so many errors may run again, by its job's policy:
-- exponential, with jitter between the half and the whole, and bounded; at most
-- 30 years, as a calendar ends somewhere.
CREATE OR REPLACE FUNCTION evtrack.retry_at(
    policy jsonb, errors integer
) RETURNS timestamptz
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT clock_timestamp() + make_interval(secs => (0.5 + random() / 2) * least(1e9,
        coalesce((policy ->> 'backoff_max_s')::float8, 300),
        coalesce((policy ->> 'backoff_s')::float8, 1)
        * 2 ^ least(greatest(errors - 1, 0), 30)))
$$;
