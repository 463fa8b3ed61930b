-- loses: what is known about suspects, if evtrack.item_mark has rows
DROP FUNCTION IF EXISTS evtrack.claim(
    bigint, bigint[], integer[], integer, text[], integer, integer
);
DROP TABLE evtrack.upkeep;
ALTER TABLE evtrack.worker
DROP COLUMN marks, DROP COLUMN stopping_at,
DROP COLUMN in_hand, DROP COLUMN in_hand_at;
DROP TABLE evtrack.item_mark;
ALTER TABLE evtrack.batch
DROP COLUMN isolation, DROP COLUMN exclusive_losses;
DROP TYPE evtrack.isolation;
