-- Who looks for lost workers, how long ago it looked last, and how many workers there are.
SELECT
    u.reaper,
    u.reaped_s,
    u.workers
FROM evtrack.upkeep_status AS u
