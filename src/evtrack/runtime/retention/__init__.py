"""Retention: archives old days of the log, drops them, and restores jobs from archives."""
