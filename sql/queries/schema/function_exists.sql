-- Whether evtrack's schema has one function of this name.
SELECT to_regproc('evtrack.' || %(name)s::text) IS NOT NULL AS function_exists
