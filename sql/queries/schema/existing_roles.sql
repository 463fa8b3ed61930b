-- Which of these roles exist.
SELECT coalesce(array_agg(r.rolname::text), '{}') AS roles
FROM pg_roles AS r
WHERE r.rolname = any(%(roles)s::text[])
