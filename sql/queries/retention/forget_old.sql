SELECT evtrack.forget_old(%(ended_before)s::timestamptz) AS forgotten
