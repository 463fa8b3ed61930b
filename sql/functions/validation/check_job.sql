-- Raise EV007 unless handler name and policy are valid for a job. Runs with the
-- rights of its caller, a function of the write API.
CREATE OR REPLACE FUNCTION evtrack.check_job(
    handler text, policy jsonb
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    bad text;
BEGIN
    IF coalesce(handler, '') = '' OR handler ~ '[[:cntrl:]]'
        OR length(handler) > 200 THEN
        RAISE EXCEPTION 'invalid handler %: need 1 to 200 printable characters',
            coalesce(quote_literal(left(handler, 60)), 'null')
            USING ERRCODE = 'EV007';
    END IF;
    IF coalesce(policy, '{}') = '{}' THEN RETURN; END IF;
    PERFORM evtrack.check_object('policy', policy, 4000);
    SELECT p.key INTO bad FROM jsonb_each(nullif(policy, 'null')) p
    WHERE NOT CASE
        WHEN p.key = 'per_item'
            THEN jsonb_typeof(p.value) IN ('boolean', 'null')
        WHEN p.key = 'traceparent'
            THEN p.value::text ~ ('^("[0-9a-f]{2}-[0-9a-f]{32}-'
                || '[0-9a-f]{16}-[0-9a-f]{2}"|null)$')
        -- These are read as integers, and limit smallint columns.
        WHEN p.key IN (
            'max_errors', 'max_crashes', 'max_losses', 'max_alerts')
            THEN p.value::text ~ '^([0-9]{1,4}|null)$'
        ELSE p.key IN (
                'backoff_s', 'backoff_max_s', 'timeout_s', 'stall_s',
                'max_rss_bytes', 'max_rss_alone_bytes', 'start_within_s')
            AND (jsonb_typeof(p.value) = 'null'
                OR jsonb_typeof(p.value) = 'number'
                    AND p.value::text::numeric BETWEEN 0 AND 1e15)
        END LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'policy key %: invalid key or value %',
            quote_literal(left(bad, 60)), left((policy -> bad)::text, 60)
            USING ERRCODE = 'EV007', HINT = 'Keys: max_errors, max_crashes, '
            'max_losses, max_alerts, backoff_s, backoff_max_s, timeout_s, '
            'stall_s, max_rss_bytes, max_rss_alone_bytes, start_within_s (numbers from 0; the '
            'first four are integers up to 9999), per_item (boolean), traceparent (W3C Trace Context).';
    END IF;
END $$;
