-- Whether a reaper has the turn, or may take it (see evtrack.has_turn), and how many workers there are.
SELECT -- noqa: ST06
    (
        u.reaper IS NULL OR u.reaper = %(reaper)s::bigint OR (u.reaped_s BETWEEN 0 AND 0.9) IS NOT TRUE
    ) AS is_due,
    u.workers
FROM evtrack.upkeep_status AS u
