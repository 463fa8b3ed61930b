-- List rights that evtrack's roles should have but do not, by role.
SELECT
    role,
    string_agg(name, ', ' ORDER BY name) AS names
FROM evtrack.role_right
WHERE to_regrole(role) IS NOT NULL AND granted IS NOT TRUE
GROUP BY role
ORDER BY role
