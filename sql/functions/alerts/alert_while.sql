-- Raise alerts for ongoing conditions when they begin, at most one an hour per
-- subject, and mark those that are over as cleared. `states` has the facts of
-- each subject for which the condition holds now.
CREATE OR REPLACE FUNCTION evtrack.alert_while(
    the_kind text, the_severity text, states jsonb
) RETURNS bigint
LANGUAGE sql AS $$
    UPDATE evtrack.alert a SET cleared_at = clock_timestamp()
    WHERE a.kind = the_kind AND a.cleared_at IS NULL
        AND NOT coalesce(states, '{}') ? a.subject;
    SELECT count(*) FILTER (WHERE evtrack.raise_alert(the_kind, s.key,
        to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24'),
        the_severity, s.value, (s.value ->> 'job_id')::bigint,
        (s.value ->> 'batch_no')::integer))
    FROM jsonb_each(coalesce(states, '{}')) s
    WHERE NOT EXISTS (
        SELECT 1 FROM evtrack.alert a
        WHERE a.kind = the_kind AND a.subject = s.key AND a.cleared_at IS NULL)
$$;
