DROP FUNCTION evtrack.guard_payload CASCADE;
