-- Replace a job's row with what the log says. Free-form values of clients are taken from the job's events, as in the
-- fold. Of the digests, keep those that rebuild_job_links does not store elsewhere.
INSERT INTO evtrack.job (
    job_id, job_day, handler, name, priority, phase, suspended, version, policy,
    source, position, bytes_read, bytes_total, batch_count, item_count,
    invalid_count, note_count, submitter, digest_form, created_at, extended_at,
    sealed_at, finished_at, cancelled_at, links
)
SELECT
    e.job_id,
    e.job_day,
    %(handler)s,
    %(name)s,
    %(priority)s,
    %(phase)s,
    %(suspended)s,
    %(version)s,
    coalesce(e.data -> 'policy', '{}') AS policy,
    coalesce(e.data -> 'source', '{}') AS source,
    (
        SELECT x.data -> 'position' FROM evtrack.event AS x
        WHERE
            x.job_id = e.job_id AND x.batch_no = 0 AND x.type = 'extended'
            AND x.data -> 'position' IS NOT NULL
        ORDER BY x.version DESC
        LIMIT 1
    ) AS position,
    %(bytes_read)s,
    %(bytes_total)s,
    %(batch_count)s,
    %(item_count)s,
    %(invalid_count)s,
    %(note_count)s,
    %(submitter)s,
    %(digest_form)s,
    %(created_at)s,
    %(extended_at)s,
    %(sealed_at)s,
    %(finished_at)s,
    %(cancelled_at)s,
    substring(
        %(links)s::bytea FROM (octet_length(%(links)s::bytea) - 1) / 1024 * 1024 + 1
    ) AS links
FROM evtrack.event AS e
WHERE e.job_id = %(job_id)s AND e.batch_no = 0 AND e.version = 1
ON CONFLICT (job_id) DO UPDATE SET
    job_day = excluded.job_day,
    handler = excluded.handler,
    name = excluded.name,
    priority = excluded.priority,
    phase = excluded.phase,
    suspended = excluded.suspended,
    version = excluded.version,
    policy = excluded.policy,
    source = excluded.source,
    position = excluded.position,
    bytes_read = excluded.bytes_read,
    bytes_total = excluded.bytes_total,
    batch_count = excluded.batch_count,
    item_count = excluded.item_count,
    invalid_count = excluded.invalid_count,
    note_count = excluded.note_count,
    submitter = excluded.submitter,
    digest_form = excluded.digest_form,
    created_at = excluded.created_at,
    extended_at = excluded.extended_at,
    sealed_at = excluded.sealed_at,
    finished_at = excluded.finished_at,
    cancelled_at = excluded.cancelled_at,
    links = excluded.links
