-- Record how an attempt to deliver an alert ended.
SELECT
    evtrack.end_delivery(
        %(alert_id)s::bigint,
        %(sink)s::text,
        %(attempt)s::integer,
        %(error)s::text,
        make_interval(secs => %(retry_in_s)s::float8),
        %(final)s::boolean
    ) AS state
