-- Raise EV007 unless these are valid notes about a source: null, or an array,
-- of limited size, of objects with the texts `source`, `reason` and optionally
-- `key`.
CREATE OR REPLACE FUNCTION evtrack.check_notes(notes jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF octet_length(notes::text) > 1000000 THEN
        RAISE EXCEPTION 'the notes of a chunk have % bytes, more than the limit of '
            '1000000', octet_length(notes::text)
            USING ERRCODE = 'EV007', HINT = 'Pass only the first ones; note_total '
            'counts the others too.';
    END IF;
    IF jsonb_typeof(notes) <> 'array' OR EXISTS (
        SELECT FROM jsonb_array_elements(
            CASE jsonb_typeof(notes) WHEN 'array' THEN notes ELSE '[]' END) n
        WHERE jsonb_typeof(n -> 'source') IS DISTINCT FROM 'string'
            OR jsonb_typeof(n -> 'reason') IS DISTINCT FROM 'string'
            OR jsonb_typeof(n -> 'key') NOT IN ('string', 'null')
    ) OR NOT evtrack.is_readable(notes) THEN
        RAISE EXCEPTION 'invalid notes: %', left(notes::text, 100)
            USING ERRCODE = 'EV007',
            HINT = 'Pass an array of {"source": text, "reason": text, "key": text}.';
    END IF;
END $$;
