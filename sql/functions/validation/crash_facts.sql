-- Return what the log keeps of a crash report: an object with a cause. Known
-- keys with values of the wrong type, and values that some reader could not
-- parse, are left out. Texts are cut. Of a client's own keys, the smallest are
-- kept, up to a total size. Whether an item is poison, and whether it was in
-- hand exclusively, is decided here, not by the report.
CREATE OR REPLACE FUNCTION evtrack.crash_facts(dossier jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT '{"cause": "unknown"}' || coalesce(jsonb_object_agg(t.key, t.value)
        FILTER (WHERE t.known OR t.bytes <= 64000), '{}')
    FROM (
        SELECT f.key, f.value, f.known, sum(f.bytes) OVER (
            PARTITION BY f.known ORDER BY f.bytes, f.key) AS bytes
        FROM (
            SELECT b.*, octet_length(b.key) + octet_length(b.value::text)
                AS bytes
            FROM (
                SELECT d.key, d.key IN ('cause', 'signal', 'item_key', 'stderr',
                    'native_traceback', 'python_traceback', 'ordinal',
                    'exit_code', 'peak_rss_bytes', 'run_s', 'cpu_s', 'blame',
                    'isolated') AS known,
                    CASE WHEN jsonb_typeof(d.value) = 'string'
                        THEN to_jsonb(left(d.value #>> '{}', 16000))
                        ELSE d.value END AS value
                FROM jsonb_each(CASE jsonb_typeof(dossier)
                    WHEN 'object' THEN jsonb_strip_nulls(dossier)
                    ELSE '{}' END) d
                WHERE CASE
                    WHEN d.key IN ('cause', 'signal', 'item_key', 'stderr',
                        'native_traceback', 'python_traceback')
                        THEN jsonb_typeof(d.value) = 'string'
                    WHEN d.key IN ('ordinal', 'exit_code', 'peak_rss_bytes')
                        THEN CASE WHEN d.value::text ~ '^[0-9]{1,18}$'
                            THEN d.value::text::bigint < CASE d.key
                                WHEN 'ordinal' THEN 2147483647
                                WHEN 'exit_code' THEN 256
                                ELSE 1000000000000000000 END
                            ELSE false END
                    WHEN d.key IN ('run_s', 'cpu_s')
                        THEN CASE jsonb_typeof(d.value) WHEN 'number'
                            THEN d.value::text::numeric BETWEEN 0 AND 1e15
                                AND length(d.value::text) <= 40
                            ELSE false END
                    WHEN d.key = 'blame' THEN d.value = '"none"'
                    WHEN d.key = 'isolated'
                        THEN jsonb_typeof(d.value) = 'boolean'
                    ELSE d.key NOT IN ('poison', 'exclusive')
                        AND evtrack.is_readable(d.value) END
            ) b
        ) f
    ) t
$$;
