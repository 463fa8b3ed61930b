-- Workers and upkeep.

-- The queue and its progress.

-- Alerts and their sinks.

-- Positions in the log.
SELECT 1;
