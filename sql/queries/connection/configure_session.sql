-- Configure a new session, and return its process id. If it is not the one that
-- the client was given, a pooler is in between, and only settings with `kept`
-- are applied. Functions stand in for operators, because the search path is not
-- set yet; unnest() of several arrays is PostgreSQL's own in any path. Settings
-- that this server does not know are skipped.
SELECT
    pg_catalog.pg_backend_pid() AS pid,
    pg_catalog.count(
        pg_catalog.set_config(w.name, w.setting, false)
    ) AS configured
FROM
    unnest(
        %(names)s::pg_catalog.text[], %(settings)s::pg_catalog.text[], %(kept)s
    ) AS w (name, setting, kept)
WHERE
    (w.kept OR pg_catalog.int4eq(pg_catalog.pg_backend_pid(), %(pid)s))
    AND pg_catalog.current_setting(w.name, true) IS NOT NULL
