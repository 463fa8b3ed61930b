-- Identify the submitter to evtrack.guard_payload(), until the transaction ends.
SELECT set_config('evtrack.submitter', %(submitter)s::uuid::text, true) AS token
