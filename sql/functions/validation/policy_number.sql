-- A number of a job's policy, or its default where the policy sets none. The
-- defaults stand here and, for the client, in domain/policy.py.
CREATE OR REPLACE FUNCTION evtrack.policy_number(policy jsonb, key text)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- A body that is parsed once, so that no other search path changes it, and that
-- views can inline.
RETURN (CASE
    WHEN jsonb_typeof(policy -> key) = 'number' THEN policy
    ELSE '{"max_errors": 3, "max_crashes": 2, "max_losses": 2,
        "max_alerts": 60, "backoff_s": 1, "backoff_max_s": 300,
        "start_within_s": 60}'
END -> key)::numeric;
