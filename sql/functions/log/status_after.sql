-- What an event makes of a batch: its status after it, null if the event is not
-- legal then. With constants it is a constant of the plan.
CREATE OR REPLACE FUNCTION evtrack.status_after(
    the_type evtrack.event_type, the_status evtrack.status
) RETURNS evtrack.status
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(t.after, the_status)
    FROM unnest(evtrack.batch_transitions()) t
    WHERE t.type = the_type AND t.moved IS NOT true
        AND array_position(t.before, the_status) > 0
$$;
