-- Write one alert into the outbox unless it is there already. Returns whether
-- it is new. Watchers are notified by the client, after the commit: a NOTIFY in
-- the transaction could fail it.
CREATE OR REPLACE FUNCTION evtrack.raise_alert(
    the_kind text, the_subject text, the_occasion text, the_severity text,
    the_facts jsonb, the_job bigint DEFAULT NULL,
    the_batch integer DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO evtrack.alert (
        kind, subject, occasion, severity, job_id, batch_no, facts)
    VALUES (the_kind, the_subject, the_occasion, the_severity, the_job,
        the_batch, jsonb_strip_nulls(the_facts))
    ON CONFLICT (kind, subject, occasion) DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    RETURN true;
END $$;
