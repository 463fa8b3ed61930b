-- Say that slots die again and again before they do anything, or live again.
SELECT evtrack.report_slots(%(worker_id)s::bigint, %(said)s::text) AS raised
