-- How many batches of a handler wait, over all its jobs.
SELECT evtrack.pending_batches(%(the_handler)s::text) AS pending
