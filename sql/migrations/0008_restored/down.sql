-- loses: what is known of jobs that were restored, if evtrack.restored has rows
DROP TABLE evtrack.restored;
