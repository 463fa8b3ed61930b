-- loses: the workers' names of restored jobs, if evtrack.restored has rows
ALTER TABLE evtrack.restored DROP COLUMN workers;
