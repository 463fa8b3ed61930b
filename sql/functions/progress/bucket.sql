-- Return the current progress bucket: ten seconds wide, counted from the epoch.
CREATE OR REPLACE FUNCTION evtrack.bucket() RETURNS integer
LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$ SELECT (extract(epoch FROM clock_timestamp()) / 10)::integer $$;
