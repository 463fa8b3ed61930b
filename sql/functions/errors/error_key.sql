-- Return a hash of an error that is cheap to compute. If it is the same for two
-- errors, so are their fingerprints (evtrack.fingerprint_of): they differ at most
-- in digits of the message, which have no part in it, except 0, which may begin
-- a hexadecimal number. The message at the end of the traceback is left out, if
-- it could not be taken for a place. Never raises an error.
CREATE OR REPLACE FUNCTION evtrack.error_key(error jsonb) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    one jsonb := evtrack.first_error(error);
    message text := one ->> 'message';
    traceback text := one ->> 'traceback';
BEGIN
    IF right(traceback, length(message) + 1) = message || E'\n'
        AND position('File' IN message) = 0 THEN
        traceback := left(traceback, -length(message) - 1);
    END IF;
    RETURN sha256(convert_to(concat(length(coalesce(one ->> 'type', '')), ' ',
        length(coalesce(message, '')), ' ', one ->> 'type',
        translate(message, '123456789', '111111111'), traceback), 'UTF8'));
END $$;
