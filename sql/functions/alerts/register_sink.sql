-- Record that a watcher delivers alerts to this sink: from now on each alert is
-- delivered to it too, by any watcher that has it. Watchers repeat the call
-- while they run.
CREATE OR REPLACE FUNCTION evtrack.register_sink(
    the_sink text, keep_trying interval DEFAULT '24 hours'
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO evtrack.sink AS s (sink, keep_trying)
    VALUES (the_sink, keep_trying)
    ON CONFLICT (sink) DO UPDATE SET keep_trying = excluded.keep_trying,
        seen_at = clock_timestamp()
$$;
