CREATE OR REPLACE VIEW evtrack.item_result AS
SELECT
    r.job_id,
    l.ordinal,
    p.item_key,
    r.batch_no,
    l.result
FROM evtrack.job AS j
INNER JOIN evtrack.result AS r ON j.job_day = r.job_day AND j.job_id = r.job_id
CROSS JOIN
    unnest(
        array(
            SELECT o.ordinal
            FROM unnest(r.ordinals) AS part (span)
            CROSS JOIN generate_series(lower(part.span), upper(part.span) - 1) AS o (ordinal)
            ORDER BY o.ordinal
        ),
        string_to_array(r.lines, E'\n')
    ) AS l (ordinal, result)
LEFT JOIN evtrack.payload AS p
    ON r.job_day = p.job_day AND r.job_id = p.job_id AND l.ordinal = p.ordinal
WHERE l.result <> '';

COMMENT ON VIEW evtrack.item_result IS
'One row per item for which the handler returned something. Filter by job_id, order by ordinal for source order.';
COMMENT ON COLUMN evtrack.item_result.result IS
'What the handler returned, one line of JSON as text: result::json ->> ''field''.';
COMMENT ON COLUMN evtrack.item_result.batch_no IS 'The batch in which the item was completed.';
