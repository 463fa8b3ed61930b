-- The state machine of a job: every event of its own stream that the log
-- accepts, by the phase of the job before it. The fold, its refusals and
-- job_progress_at() read this; src/evtrack/domain/states.py has the same table
-- for the pure fold. An array for the reason that batch_transitions() gives.
CREATE OR REPLACE FUNCTION evtrack.job_transitions()
RETURNS evtrack.job_transition[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_agg(r::evtrack.job_transition)
    FROM (VALUES
        ('created'::evtrack.event_type, ARRAY[NULL]::evtrack.phase[],
            'open'::evtrack.phase, NULL::boolean),
        ('extended', '{open}', 'open', NULL),
        ('noted', '{open,sealed}', NULL, NULL),
        ('sealed', '{open}', 'sealed', NULL),
        ('suspended', '{open,abandoned,sealed}', NULL, false),
        ('resumed', enum_range(NULL::evtrack.phase), NULL, true),
        ('cancelled', '{open,abandoned,sealed}', 'cancelled', NULL),
        ('abandoned', '{open}', 'abandoned', NULL),
        ('reclaimed', '{open,abandoned}', 'open', NULL),
        ('finished', '{sealed}', 'finished', NULL),
        ('reopened', '{finished}', 'sealed', NULL)
    ) AS r
$$;
