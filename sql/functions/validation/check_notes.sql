-- Raise EV007 unless these are notes about a source: null, or an array of
-- objects with texts `source` and `reason`, and perhaps `key`; not too many.
CREATE OR REPLACE FUNCTION evtrack.check_notes(notes jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF octet_length(notes::text) > 1000000 THEN
        RAISE EXCEPTION 'the notes of a chunk have % bytes, more than the 1000000 '
            'that the log takes', octet_length(notes::text)
            USING ERRCODE = 'EV007', HINT = 'Give the first of them; note_total '
            'counts the others too.';
    END IF;
    IF jsonb_typeof(notes) <> 'array' OR EXISTS (
        SELECT FROM jsonb_array_elements(
            CASE jsonb_typeof(notes) WHEN 'array' THEN notes ELSE '[]' END) n
        WHERE jsonb_typeof(n -> 'source') IS DISTINCT FROM 'string'
            OR jsonb_typeof(n -> 'reason') IS DISTINCT FROM 'string'
            OR jsonb_typeof(n -> 'key') NOT IN ('string', 'null')
    ) OR NOT evtrack.is_readable(notes) THEN
        RAISE EXCEPTION 'these are no notes: %', left(notes::text, 100)
            USING ERRCODE = 'EV007',
            HINT = 'An array of {"source": text, "reason": text, "key": text}.';
    END IF;
END $$;
