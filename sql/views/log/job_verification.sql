CREATE OR REPLACE VIEW evtrack.job_verification AS
SELECT
    v.job_id,
    v.at,
    v.verified_by AS by,
    v.outcome,
    v.event_count AS events,
    v.difference_count,
    v.differences,
    encode(v.digest, 'hex') AS digest
FROM evtrack.verification AS v;

COMMENT ON VIEW evtrack.job_verification IS
'What evtrack verify found, one row per job and verification. It proves nothing against somebody who may write to the '
'tables: compare the digest with a copy kept elsewhere.';
COMMENT ON COLUMN evtrack.job_verification.by IS 'The database role that ran it.';
COMMENT ON COLUMN evtrack.job_verification.outcome IS
'whole: the job had ended, and log and projection agree; open: they agree, and it had not ended; departs: the '
'projection differs from an intact log; damaged: the log itself was changed.';
COMMENT ON COLUMN evtrack.job_verification.events IS 'How many events were read.';
COMMENT ON COLUMN evtrack.job_verification.differences IS 'The first 20 differences.';
COMMENT ON COLUMN evtrack.job_verification.digest IS
'SHA-256 over all of the job''s streams as they were then, in hexadecimal, as from evtrack.job_digest(job).';
