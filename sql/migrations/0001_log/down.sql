-- loses: the events, if evtrack.event has rows
DROP TABLE
evtrack.event, evtrack.job, evtrack.batch, evtrack.progress,
evtrack.payload, evtrack.result, evtrack.worker CASCADE;
DROP SEQUENCE evtrack.event_seq, evtrack.job_id_seq, evtrack.worker_id_seq;
DROP TYPE evtrack.event_type, evtrack.phase, evtrack.status CASCADE;
DROP FUNCTION evtrack.fold, evtrack.refuse CASCADE;
