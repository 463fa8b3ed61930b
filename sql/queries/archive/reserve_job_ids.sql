-- Keep new jobs from getting the numbers of restored ones.
SELECT setval('evtrack.job_id_seq', greatest(s.last_value, %(last)s::bigint), true) AS last_value
FROM evtrack.job_id_seq AS s
WHERE s.last_value < %(last)s::bigint OR NOT s.is_called
