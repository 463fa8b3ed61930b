-- The digest of a job's log.
SELECT encode(evtrack.job_digest(%(job_id)s::bigint), 'hex') AS digest
