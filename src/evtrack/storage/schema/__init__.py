"""The schema: migrations, functions, views and roles, from the files in sql/."""
