-- loses: where the events of restored jobs lie, if evtrack.restored has rows
DROP TABLE evtrack.cluster;
ALTER TABLE evtrack.restored DROP COLUMN last_seq;
ALTER TABLE evtrack.restored DROP COLUMN job_day;
