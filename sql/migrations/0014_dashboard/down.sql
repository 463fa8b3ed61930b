-- loses: what verifications found, if evtrack.verification has rows
DROP INDEX evtrack.job_active;
DROP INDEX evtrack.event_crash;
DROP TABLE evtrack.verification;
