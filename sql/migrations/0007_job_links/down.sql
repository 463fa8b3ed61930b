LOCK TABLE evtrack.job IN SHARE ROW EXCLUSIVE MODE;
UPDATE evtrack.job j SET links = l.links || j.links
FROM (
    SELECT
        job_id,
        string_agg(links, '' ORDER BY first_version) AS links
    FROM evtrack.job_link
    GROUP BY job_id
) AS l
WHERE l.job_id = j.job_id;
DROP TABLE evtrack.job_link;
