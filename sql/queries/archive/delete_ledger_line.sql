-- A restored job is no longer a dropped one.
DELETE FROM evtrack.ledger
WHERE job_id = %(job_id)s
