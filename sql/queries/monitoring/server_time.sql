-- The server's clock, or the time so many seconds ago by it.
SELECT clock_timestamp() - make_interval(secs => %(seconds_ago)s::float8) AS at
