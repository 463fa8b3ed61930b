"""The queue: a worker's side of it, the workers themselves, and what an operator may do to a job."""
