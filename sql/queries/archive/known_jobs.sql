-- Find which of these jobs the database knows: existing ones, with the digest of their log, and dropped ones.
SELECT
    j.job_id,
    encode(evtrack.job_digest(j.job_id), 'hex') AS digest,
    false AS dropped
FROM evtrack.job AS j
WHERE j.job_id = any(%(job_ids)s::bigint[])
UNION ALL
SELECT
    l.job_id,
    encode(l.digest, 'hex') AS digest,
    true AS dropped
FROM evtrack.ledger AS l
WHERE l.job_id = any(%(job_ids)s::bigint[])
