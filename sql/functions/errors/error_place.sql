-- Return where an error was raised, from a Python traceback: file and function
-- of the last frame that is not in a library, else of the last frame. Without
-- the directory and the line, which change with each deployment. Null without
-- a frame. Never raises an error. A plain expression: tracebacks are many.
CREATE OR REPLACE FUNCTION evtrack.error_place(traceback text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (nullif(left(btrim(regexp_replace(
    coalesce(
        -- The first .* takes as much as it can, up to the last frame.
        substring(regexp_replace(
            right(traceback, 16000),
            'File "(?:<|[^"\n]*[/\\](?:(?:site|dist)-packages'
            '|lib(?:64)?[/\\]python[0-9.]+|evtrack[/\\]runtime)[/\\])'
            '[^"\n]*", line [0-9]+, in ', '', 'g'
        ),
        '.*File "([^"\n]+", line [0-9]+, in [^\n]+)'),
        substring(
            right(traceback, 16000),
            '.*File "([^"\n]+", line [0-9]+, in [^\n]+)'
        )
    ),
    '^(?:[^"\n]*[/\\])?([^"\n]*)", line [0-9]+, in +', '\1 in '
)), 200), ''));
