"""Submitting: a source becomes a job, chunk by chunk."""
