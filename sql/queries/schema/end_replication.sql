-- Take over a log that was received; returns how many jobs it has.
SELECT evtrack.end_replication() AS jobs
