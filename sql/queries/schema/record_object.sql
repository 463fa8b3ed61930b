-- Record that a function or view is installed.
INSERT INTO evtrack.schema_object (path, checksum, code)
VALUES (%(path)s, %(checksum)s, %(code)s)
