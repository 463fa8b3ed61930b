-- How many batches a part of a job's digest covers. A job with more batches has
-- its digest computed from the digests of its parts, so that no statement needs
-- memory for all of them. src/evtrack/domain/proof/job_hash.py has the same
-- number.
CREATE OR REPLACE FUNCTION evtrack.digest_part_size() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT 32768 $$;
