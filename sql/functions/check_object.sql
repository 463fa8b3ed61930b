-- Raise EV007 unless this argument is null or a JSON object of so many bytes at
-- most.
CREATE OR REPLACE FUNCTION evtrack.check_object(
    what text, value jsonb, most integer
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF jsonb_typeof(value) NOT IN ('object', 'null') THEN
        RAISE EXCEPTION '% is of the kind %: it needs a JSON object', what,
            jsonb_typeof(value) USING ERRCODE = 'EV007';
    ELSIF octet_length(value::text) > most THEN
        RAISE EXCEPTION '% has % bytes, more than the % that the log takes',
            what, octet_length(value::text), most USING ERRCODE = 'EV007',
            HINT = 'The log holds no bulk: name a folder, for example, and not '
            'each of its files.';
    END IF;
END $$;
