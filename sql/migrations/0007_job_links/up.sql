-- The digests of a job's own stream, taken apart: one row of all would be
-- written anew with each chunk of a long submission.
-- least-code: 0.1.0

-- What is no longer in the row of the job: 32 digests each, by version; see
-- evtrack.fold_job(). A part of the projection, so only the fold writes it.
CREATE TABLE evtrack.job_link (
    job_id bigint NOT NULL,
    first_version integer NOT NULL,
    links bytea NOT NULL,
    PRIMARY KEY (job_id, first_version)
);
ALTER TABLE evtrack.job_link ALTER COLUMN links SET STORAGE EXTERNAL;
REVOKE ALL ON evtrack.job_link FROM public;

-- No event comes between the two statements.
LOCK TABLE evtrack.job IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO evtrack.job_link (job_id, first_version, links)
SELECT
    j.job_id,
    32 * w.n + 1 AS first_version,
    substring(j.links FROM 1024 * w.n + 1 FOR 1024) AS links
FROM evtrack.job AS j
CROSS JOIN
    LATERAL generate_series(
        0, (octet_length(j.links) - 1) / 1024 - 1
    ) AS w (n)
WHERE octet_length(j.links) > 1024;
UPDATE evtrack.job SET
    links = substring(
        links FROM (octet_length(links) - 1) / 1024 * 1024 + 1
    )
WHERE octet_length(links) > 1024;
