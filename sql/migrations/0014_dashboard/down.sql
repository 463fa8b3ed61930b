-- loses: what verifications found, if evtrack.verification has rows
DROP INDEX evtrack.event_crash;
DROP TABLE evtrack.verification;
