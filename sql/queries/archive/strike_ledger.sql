-- Remove a restored job from the ledger of dropped jobs.
DELETE FROM evtrack.ledger
WHERE job_id = %(job_id)s
