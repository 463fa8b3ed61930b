ALTER TABLE evtrack.restored DROP COLUMN workers;
