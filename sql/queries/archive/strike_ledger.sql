-- A job that is back is no dropped one.
DELETE FROM evtrack.ledger
WHERE job_id = %(job_id)s
