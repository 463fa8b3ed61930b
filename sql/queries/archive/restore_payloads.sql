INSERT INTO evtrack.payload
SELECT p.*
FROM unnest(%(lines)s::text[]) AS l (line)
CROSS JOIN LATERAL json_populate_record(NULL::evtrack.payload, l.line::json) AS p
