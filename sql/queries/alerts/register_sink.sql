-- Record that this watcher has a sink.
SELECT evtrack.register_sink(%(sink)s::text, make_interval(secs => %(keep_trying_s)s::float8))
