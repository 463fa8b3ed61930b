-- Who did the work of a job that came back from an archive.
-- least-code: 0.1.0

-- Names by number: another database gives the same numbers to other workers.
-- Null where the job brought none, as in a dump, which has its workers along.
ALTER TABLE evtrack.restored ADD COLUMN workers jsonb;
