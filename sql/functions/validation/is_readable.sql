-- Whether readers in all languages can take this JSON: not nested more than 100
-- deep, and no number beyond those that a float has. PostgreSQL takes more, and
-- an event is there for good: one that no reader could take would stop them all.
CREATE OR REPLACE FUNCTION evtrack.is_readable(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_path_exists(value, 'strict $.**{101}') THEN false
        ELSE NOT jsonb_path_exists(value, 'strict $.** ? (@.type() == "number"
            && (@ > 1e308 || @ < -1e308))') END
$$;
