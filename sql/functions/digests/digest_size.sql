-- Return how many bytes a digest of this form has. A plain expression, so that it
-- is inlined into the fold's plans.
CREATE OR REPLACE FUNCTION evtrack.digest_size(digest_form smallint)
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE digest_form WHEN 2 THEN 16 ELSE 32 END
$$;
