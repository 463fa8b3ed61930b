-- Allow one cleanup or restore at a time, for as long as this session lives.
SELECT pg_try_advisory_lock(hashtextextended('evtrack.cleanup', 0)) AS held
