SELECT pg_notify('evtrack_work', %(handler)s)
