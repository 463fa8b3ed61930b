"""A submitter's side of a job."""
