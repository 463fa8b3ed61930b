-- Tamper evidence: a chain of digests over each stream.
-- least-code: 0.1.0

-- 32 bytes an event, by version; see evtrack.extend_links(). They stand in the
-- row of the stream and not in the event: the fold updates that row anyway, and
-- who changes an event has to change this too. NULL where nothing was folded
-- since there are digests.
ALTER TABLE evtrack.job ADD COLUMN links bytea;
ALTER TABLE evtrack.batch ADD COLUMN links bytea;
-- Digests do not compress.
ALTER TABLE evtrack.job ALTER COLUMN links SET STORAGE EXTERNAL;
ALTER TABLE evtrack.batch ALTER COLUMN links SET STORAGE EXTERNAL;
