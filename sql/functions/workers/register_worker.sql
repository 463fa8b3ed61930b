-- Register a worker. Returns its id, which every claim and report needs: a
-- random number of 12 digits, so that no two registrations are taken for one,
-- even if a failover or a restore loses the first. Its facts appear in each of
-- its crashes and alerts, so they are bounded. `marks` is whether it commits
-- which item of a suspect is in hand; see mark_items().
CREATE OR REPLACE FUNCTION evtrack.register_worker(
    name text, host text, pid integer, slots integer, handlers text[],
    version text, marks boolean DEFAULT false
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id bigint;
BEGIN
    IF (length(name) BETWEEN 1 AND 200 AND length(host) <= 255
        AND length(version) <= 100) IS NOT TRUE THEN
        RAISE EXCEPTION 'worker %: name, host or version is missing or too '
            'long', coalesce(quote_literal(left(name, 60)), 'null')
            USING ERRCODE = 'EV007', HINT = 'The name has 1 to 200 characters, '
            'the host up to 255, the version up to 100.';
    ELSIF (slots >= 0) IS NOT TRUE OR pid IS NULL THEN
        RAISE EXCEPTION 'worker %: invalid slots % or pid %',
            quote_literal(left(name, 60)), coalesce(slots::text, 'null'),
            coalesce(pid::text, 'null') USING ERRCODE = 'EV007',
            HINT = 'slots must be 0 or greater; pid is the process id.';
    ELSIF cardinality(handlers) > 1000 OR handlers IS NULL OR EXISTS (
        SELECT FROM unnest(handlers) h
        WHERE (length(h) BETWEEN 1 AND 200) IS NOT TRUE
    ) THEN
        RAISE EXCEPTION 'worker %: invalid handlers %',
            quote_literal(left(name, 60)),
            coalesce(left(handlers::text, 60), 'null')
            USING ERRCODE = 'EV007', HINT = 'Pass up to 1000 handlers with names '
            'of 1 to 200 characters.';
    END IF;
    PERFORM evtrack.settle_log();
    INSERT INTO evtrack.worker (
        worker_id, name, host, pid, slots, handlers, version, marks)
    VALUES (
        -- The last 48 bits of a random UUID, all of which are random.
        100000000000 + ('x' || right(gen_random_uuid()::text, 12))::bit(48)
            ::bigint % 900000000000,
        name, host, pid, slots, handlers, version, coalesce(marks, false))
    RETURNING worker_id INTO id;
    RETURN id;
END $$;
