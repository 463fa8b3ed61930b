SELECT pg_advisory_unlock(hashtextextended('evtrack.cleanup', 0)) AS released
