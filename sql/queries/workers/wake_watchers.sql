SELECT pg_notify('evtrack_alert', '')
