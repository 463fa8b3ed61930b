-- Whether a reaper has the turn: it had the last one, or whoever had it has not
-- looked for 0.9 seconds. Null for a caller that takes no turns. After a step of
-- the clock, anybody may take the turn.
CREATE OR REPLACE FUNCTION evtrack.has_turn(
    u evtrack.upkeep, the_reaper bigint
) RETURNS boolean
LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN the_reaper IS NOT NULL THEN
        u.reaper IS NOT DISTINCT FROM the_reaper
        OR u.reaper IS NULL
        OR (clock_timestamp() - u.reaped_at
            BETWEEN interval '0' AND interval '0.9 seconds') IS NOT TRUE END
$$;
