-- Report that slots keep dying before they do anything, or that they recovered.
SELECT evtrack.report_slots(
    %(worker_id)s::bigint, %(problem)s::text
) AS raised
