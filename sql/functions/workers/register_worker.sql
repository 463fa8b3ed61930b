-- Announce a worker. Returns its id, which every claim and report carries. What
-- it says of itself stands in each crash and alert of it, so it is bounded.
CREATE OR REPLACE FUNCTION evtrack.register_worker(
    name text, host text, pid integer, slots integer, handlers text[],
    version text
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id bigint;
BEGIN
    IF (length(name) BETWEEN 1 AND 200 AND length(host) <= 255
        AND length(version) <= 100) IS NOT TRUE THEN
        RAISE EXCEPTION 'worker %: its name, host or version is missing or too '
            'long', coalesce(quote_literal(left(name, 60)), 'null')
            USING ERRCODE = 'EV007', HINT = 'A name of 1 to 200 characters, a '
            'host of up to 255, a version of up to 100.';
    ELSIF (slots >= 0) IS NOT TRUE OR pid IS NULL THEN
        RAISE EXCEPTION 'worker %: slots is %, and pid is %',
            quote_literal(left(name, 60)), coalesce(slots::text, 'null'),
            coalesce(pid::text, 'null') USING ERRCODE = 'EV007',
            HINT = 'slots is a number from 0, and pid that of the process.';
    ELSIF cardinality(handlers) > 1000 OR handlers IS NULL OR EXISTS (
        SELECT FROM unnest(handlers) h
        WHERE (length(h) BETWEEN 1 AND 200) IS NOT TRUE
    ) THEN
        RAISE EXCEPTION 'worker %: its % handlers are too many, or one has no '
            'name of 1 to 200 characters', quote_literal(left(name, 60)),
            coalesce(cardinality(handlers)::text, 'missing')
            USING ERRCODE = 'EV007', HINT = 'Up to 1000 handlers, each with '
            'the name that jobs give it.';
    END IF;
    PERFORM evtrack.settle_log();
    INSERT INTO evtrack.worker (name, host, pid, slots, handlers, version)
    VALUES (name, host, pid, slots, handlers, version)
    RETURNING worker_id INTO id;
    RETURN id;
END $$;
