-- Make the missing partitions of today and the coming days.
SELECT evtrack.make_partitions_ahead() AS made
