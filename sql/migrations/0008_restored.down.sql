DROP TABLE evtrack.restored;
