"""Retention: days that are over leave the database, into an archive or for good."""
