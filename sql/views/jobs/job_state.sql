CREATE OR REPLACE VIEW evtrack.job_state AS
SELECT
    j.job_id,
    j.job_day,
    j.name,
    j.handler,
    j.priority,
    j.phase,
    j.suspended,
    j.created_at,
    j.sealed_at,
    j.finished_at,
    j.cancelled_at
FROM evtrack.job AS j;

COMMENT ON VIEW evtrack.job_state IS
'One row per job: what it is and its state, without its progress, which job_status has.';
