-- Return the level of isolation that includes what a batch already needs and
-- what it needs besides. A suspect need not have a new slot to itself, so one
-- that needs it as well runs exclusively; so does a suspect that needs all of
-- the worker's memory.
CREATE OR REPLACE FUNCTION evtrack.raise_isolation(
    level evtrack.isolation, wanted evtrack.isolation
) RETURNS evtrack.isolation
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN level >= 'marked' AND wanted IN ('fresh_slot', 'memory')
            OR level = 'memory' AND wanted = 'marked'
            THEN 'exclusive'
        ELSE greatest(level, wanted) END
$$;
