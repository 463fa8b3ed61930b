SELECT evtrack.restore_events(%(job_day)s::date, %(lines)s::text[]) AS restored
