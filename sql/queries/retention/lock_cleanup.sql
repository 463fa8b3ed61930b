-- Allow one cleanup or restore at a time, for as long as this session lives: the process that has it, and whether it is
-- this one.
SELECT
    t.pid,
    t.pid = pg_backend_pid() AS held
FROM (SELECT evtrack.take_duty('cleanup') AS pid) AS t
