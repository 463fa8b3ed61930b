ALTER TABLE evtrack.batch DROP COLUMN links;
ALTER TABLE evtrack.job DROP COLUMN links;
