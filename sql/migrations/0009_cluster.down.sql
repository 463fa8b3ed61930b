DROP TABLE evtrack.cluster;
ALTER TABLE evtrack.restored DROP COLUMN last_seq;
ALTER TABLE evtrack.restored DROP COLUMN job_day;
