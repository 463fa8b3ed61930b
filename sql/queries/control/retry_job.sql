SELECT evtrack.retry(%(job_id)s, %(statuses)s::text[], %(batch_nos)s::integer[]) AS retried
