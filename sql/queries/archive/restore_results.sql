INSERT INTO evtrack.result
SELECT r.*
FROM unnest(%(lines)s::text[]) AS l (line)
CROSS JOIN LATERAL json_populate_record(NULL::evtrack.result, l.line::json) AS r
