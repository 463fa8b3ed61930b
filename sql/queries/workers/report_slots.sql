-- Report that slots die again and again before they run anything, or have
-- recovered.
SELECT evtrack.report_slots(%(worker_id)s::bigint, %(said)s::text) AS raised
