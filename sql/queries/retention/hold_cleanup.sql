-- One cleanup or restore at a time; the lock lives as long as the session.
SELECT pg_try_advisory_lock(hashtextextended('evtrack.cleanup', 0)) AS held
