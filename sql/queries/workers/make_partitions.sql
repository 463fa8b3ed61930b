-- Make the partitions of today and the days to come that are not there yet.
SELECT evtrack.make_partitions_ahead() AS made
