-- Count the pending batches of a handler, over all its jobs.
SELECT evtrack.pending_batches(%(the_handler)s::text) AS pending
