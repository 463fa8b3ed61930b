-- Whether readers in all languages can parse this JSON: it is nested at most
-- 100 deep and has no number beyond the range of a float. PostgreSQL accepts
-- more, but events are permanent: one that readers cannot parse would stop them
-- forever.
CREATE OR REPLACE FUNCTION evtrack.is_readable(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_path_exists(value, 'strict $.**{101}') THEN false
        ELSE NOT jsonb_path_exists(value, 'strict $.** ? (@.type() == "number"
            && (@ > 1e308 || @ < -1e308))') END
$$;
