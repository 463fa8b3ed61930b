DROP FUNCTION IF EXISTS evtrack.batch_transitions();
DROP FUNCTION IF EXISTS evtrack.job_transitions();
DROP TYPE evtrack.batch_transition;
DROP TYPE evtrack.job_transition;
