-- Settle a new session, and tell which process it is: another one than the
-- client was told stands behind a pooler, and there only what is `kept` is
-- set. Functions stand for operators, as the search path is not settled yet;
-- unnest() of several arrays is PostgreSQL's own in any path. What this server
-- does not know is passed over.
SELECT
    pg_catalog.pg_backend_pid() AS pid,
    pg_catalog.count(
        pg_catalog.set_config(w.name, w.setting, false)
    ) AS settled
FROM
    unnest(
        %(names)s::pg_catalog.text[], %(settings)s::pg_catalog.text[], %(kept)s
    ) AS w (name, setting, kept)
WHERE
    (w.kept OR pg_catalog.int4eq(pg_catalog.pg_backend_pid(), %(pid)s))
    AND pg_catalog.current_setting(w.name, true) IS NOT NULL
