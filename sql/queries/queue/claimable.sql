-- List the jobs that handlers may claim from, most urgent first.
SELECT
    c.job_id,
    c.priority,
    c.mark,
    c.due,
    c.isolated
FROM evtrack.claimable(
    %(handlers)s::text[], %(job_ids)s::bigint[], %(marks)s::integer[]
) AS c
