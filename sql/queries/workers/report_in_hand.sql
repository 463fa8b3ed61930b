-- Report what a worker's slots have in hand.
SELECT evtrack.report_in_hand(%(worker_id)s::bigint, %(in_hand)s::jsonb) AS accepted
