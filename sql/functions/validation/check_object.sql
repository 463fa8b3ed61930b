-- Raise EV007 unless this argument is null or a JSON object of so many bytes at
-- most, which readers of the log can take.
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
    ELSIF NOT evtrack.is_readable(value) THEN
        RAISE EXCEPTION '% is nested more than 100 deep, or holds a number '
            'beyond 1e308: no reader of the log could take it', what
            USING ERRCODE = 'EV007', HINT = 'Give such a value as a text.';
    END IF;
END $$;
