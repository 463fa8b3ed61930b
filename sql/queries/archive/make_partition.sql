-- Make the partitions of one day.
SELECT evtrack.make_partitions(%(job_day)s::date, 1) AS made
