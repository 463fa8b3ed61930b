-- Which events were not written in this cluster, or came back out of an
-- archive: their transaction says nothing about where they lie in this log.
-- least-code: 0.1.0

-- The events of a restored job up to this seq; null where it is not known, of
-- what came back before this migration.
ALTER TABLE evtrack.restored ADD COLUMN job_day date;
ALTER TABLE evtrack.restored ADD COLUMN last_seq bigint;
-- The cluster whose transactions the other events name, one row. A dump takes
-- it along, so that a database knows when it is in another one; see
-- evtrack.settle_log().
CREATE TABLE evtrack.cluster (
    system_identifier bigint PRIMARY KEY
);
REVOKE ALL ON evtrack.cluster FROM public;
-- A log that was restored before shows it by transactions still to come.
INSERT INTO evtrack.cluster (system_identifier)
SELECT c.system_identifier FROM pg_control_system() AS c
WHERE
    NOT EXISTS (
        SELECT FROM evtrack.event AS e
        WHERE e.xid >= pg_snapshot_xmax(pg_current_snapshot())
    );
