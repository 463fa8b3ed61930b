-- How many batches of a handler are pending, over all its jobs.
SELECT evtrack.pending_batches(%(the_handler)s::text) AS pending
