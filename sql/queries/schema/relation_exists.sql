-- Whether evtrack's schema has a table or view of this name.
SELECT to_regclass('evtrack.' || %(name)s::text) IS NOT NULL AS relation_exists
