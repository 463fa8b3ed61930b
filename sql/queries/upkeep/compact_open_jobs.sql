-- Merge progress rows of jobs that have many.
SELECT evtrack.compact_open_jobs() AS merged
