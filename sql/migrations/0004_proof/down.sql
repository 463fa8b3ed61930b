-- loses: the digests of all events, if evtrack.event has rows
ALTER TABLE evtrack.batch DROP COLUMN links;
ALTER TABLE evtrack.job DROP COLUMN links;
