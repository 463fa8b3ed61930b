-- Make the log readable here if it was restored from another cluster.
SELECT evtrack.settle_log() AS settled
