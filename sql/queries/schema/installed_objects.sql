-- The installed functions and views, and the checksums of their files.
SELECT
    path,
    checksum
FROM evtrack.schema_object
