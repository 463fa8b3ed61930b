-- Who may insert items may do so into a submission of its own only.
-- least-code: 0.1.0

-- Replaced from sql/functions/ right after.
CREATE FUNCTION evtrack.guard_payload() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'evtrack functions are not installed'; END $$;
-- By statement: a trigger for each row takes COPY its bulk inserts.
CREATE TRIGGER payload_guard AFTER INSERT ON evtrack.payload
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION evtrack.guard_payload();
ALTER TABLE evtrack.payload ENABLE ALWAYS TRIGGER payload_guard;
