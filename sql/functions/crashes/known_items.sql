-- Return what is known about a batch of a worker that is lost and held `n`
-- batches: whether it had begun, the item in hand (0: the whole batch; null:
-- none), the finished items with their result lines, and whether the worker ran
-- nothing else. A worker that does not mark was at all of a suspect, and alone
-- with it if it held no other batch. Such a worker may claim whatever it likes
-- beside it, so the tenth loss counts in any case: nothing runs forever.
CREATE OR REPLACE FUNCTION evtrack.known_items(
    lost evtrack.worker, b evtrack.batch, reported evtrack.batch_at_death[],
    n integer, OUT begun boolean, OUT in_hand integer,
    OUT done int4multirange, OUT lines text, OUT alone boolean
)
LANGUAGE sql STABLE AS $$
    WITH mark AS (
        SELECT m.* FROM evtrack.item_mark m
        WHERE m.job_id = b.job_id AND m.batch_no = b.batch_no
            AND m.attempt = b.attempt
    ), report AS (
        SELECT r.* FROM unnest(reported) r
        WHERE r.job_id = b.job_id AND r.batch_no = b.batch_no
            AND r.attempt = b.attempt AND r.begun
        LIMIT 1
    ), finished AS (
        SELECT DISTINCT ON (f.ordinal) f.ordinal, f.line
        FROM (
            SELECT m.ordinal, m.line FROM mark m WHERE m.done
            UNION ALL
            SELECT l.ordinal, nullif(l.line, '') FROM report r
            CROSS JOIN LATERAL evtrack.result_lines(r.done, r.results) l
        ) f
        WHERE b.ordinals @> f.ordinal
        ORDER BY f.ordinal, f.line
    ), now AS (
        SELECT CASE
            WHEN EXISTS (SELECT FROM report)
                THEN (SELECT r.in_hand FROM report r)
            WHEN EXISTS (SELECT FROM mark) THEN (
                SELECT m.ordinal FROM mark m WHERE NOT m.done
                ORDER BY m.begun_at DESC LIMIT 1)
            WHEN NOT lost.marks AND b.isolation >= 'marked' THEN 0 END AS item
    )
    SELECT EXISTS (SELECT FROM report) OR EXISTS (SELECT FROM mark)
        OR NOT lost.marks AND b.isolation >= 'marked',
        w.item,
        coalesce((SELECT range_agg(int4range(f.ordinal, f.ordinal, '[]'))
            FROM finished f), '{}'),
        (SELECT CASE WHEN count(f.line) > 0
            THEN string_agg(coalesce(f.line, ''), E'\n' ORDER BY f.ordinal) END
            FROM finished f),
        CASE
            -- A mark of the whole batch is one of its only item.
            WHEN EXISTS (SELECT FROM mark) THEN coalesce((
                SELECT bool_or(m.exclusive) FROM mark m
                WHERE m.ordinal IN (0, w.item)), false)
            ELSE NOT lost.marks AND (n = 1 OR b.losses >= 9) END
    FROM now w
$$;
