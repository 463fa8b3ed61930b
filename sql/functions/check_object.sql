-- Raise EV007 unless this argument is null or a JSON object.
CREATE OR REPLACE FUNCTION evtrack.check_object(what text, value jsonb)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF jsonb_typeof(value) NOT IN ('object', 'null') THEN
        RAISE EXCEPTION '% is of the kind %: it needs a JSON object', what,
            jsonb_typeof(value) USING ERRCODE = 'EV007';
    END IF;
END $$;
