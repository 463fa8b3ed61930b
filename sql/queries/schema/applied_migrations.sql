-- The applied migrations, and the checksums of their files.
SELECT
    version,
    checksum
FROM evtrack.schema_version
ORDER BY version
