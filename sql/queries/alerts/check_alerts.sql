-- Raise alerts for conditions that no single event shows.
SELECT
    evtrack.check_alerts(
        make_interval(secs => %(never_started_s)s::float8),
        %(max_crash_rate)s::float8,
        make_interval(secs => %(crash_span_s)s::float8),
        %(least_attempts)s::bigint,
        %(max_pending)s::bigint,
        make_interval(secs => %(runs_long_s)s::float8),
        %(runs_long_factor)s::float8,
        make_interval(secs => %(no_worker_s)s::float8)
    ) AS raised
