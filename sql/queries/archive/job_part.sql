-- Read the last links of one part of a job's batches; those of part -1 are the
-- last link of the job's own stream.
SELECT
    CASE
        WHEN %(part)s::integer < 0 THEN evtrack.last_link(j.links)
        ELSE evtrack.part_links(j.job_day, j.job_id, %(part)s::integer)
    END AS links
FROM evtrack.job AS j
WHERE j.job_id = %(job_id)s::bigint
