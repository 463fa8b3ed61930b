-- Return when a batch with this many errors may run again, by its job's policy:
-- exponential backoff with jitter between one half and the whole, bounded, and
-- at most 30 years, to stay within the range of timestamps.
CREATE OR REPLACE FUNCTION evtrack.retry_at(
    policy jsonb, errors integer
) RETURNS timestamptz
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT clock_timestamp() + make_interval(secs => (0.5 + random() / 2) * least(1e9,
        evtrack.policy_number(policy, 'backoff_max_s'),
        evtrack.policy_number(policy, 'backoff_s')
        * 2 ^ least(greatest(errors - 1, 0), 30)))
$$;
