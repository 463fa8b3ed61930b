-- Raise EV007 unless this argument is null or a JSON object that is not too
-- large and that every reader of the log can parse.
CREATE OR REPLACE FUNCTION evtrack.check_object(
    what text, value jsonb, most integer
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF jsonb_typeof(value) NOT IN ('object', 'null') THEN
        RAISE EXCEPTION '% must be a JSON object, got %', what,
            jsonb_typeof(value) USING ERRCODE = 'EV007';
    ELSIF octet_length(value::text) > most THEN
        RAISE EXCEPTION '% has % bytes, more than the limit of %',
            what, octet_length(value::text), most USING ERRCODE = 'EV007',
            HINT = 'Events are not for bulk data: name a directory, for '
            'example, instead of each of its files.';
    ELSIF NOT evtrack.is_readable(value) THEN
        RAISE EXCEPTION '% is nested more than 100 deep, or has a number '
            'beyond 1e308: some readers of the log could not parse it', what
            USING ERRCODE = 'EV007', HINT = 'Pass such a value as a string.';
    END IF;
END $$;
