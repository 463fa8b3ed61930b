-- Record that a migration is applied.
INSERT INTO evtrack.schema_version (version, name, checksum, least_code)
VALUES (%(version)s, %(name)s, %(checksum)s, %(least_code)s)
