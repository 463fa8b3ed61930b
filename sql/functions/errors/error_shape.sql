-- Return a message without what differs from one occurrence of an error to the
-- next: quoted text, URLs, paths, UUIDs, hexadecimal and other long
-- identifiers, and numbers each become a placeholder, and lists of the same
-- placeholder one. Applied to its own result, it changes nothing. Never raises
-- an error; null stays null.
CREATE OR REPLACE FUNCTION evtrack.error_shape(message text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (regexp_replace(btrim(regexp_replace(regexp_replace(left(
    regexp_replace(regexp_replace(regexp_replace(regexp_replace(
        regexp_replace(regexp_replace(regexp_replace(regexp_replace(
            regexp_replace(
                left(message, 1000),
                '\s+', ' ', 'g'
            ),
            -- Quoted text: the first quote does not end a word, and the last
            -- one does not begin one, as an apostrophe does.
            '(?<![\w>])''(?:[^'']|''(?=[\w<]))*''(?![\w<])|(?<![\w>])"[^"]*"'
            '|`[^`]*`|“[^”]*”|‘[^’]*’|«[^»]*»', '<text>', 'g'
        ),
        '\m[[:alpha:]][[:alnum:]+.-]*://[^\s<>]+', '<url>', 'g'),
        '(?<![\w>])(?:~?/|[[:alpha:]]:[\\/])[^\s"''<>,;:()\[\]{}]+'
        '|(?<![\w>/])[\w.~@+-]+/[\w.~@+-]+/[\w.~@+/-]*'
        '|(?<![\w>/])[\w.~@+-]+/[\w~@+-]+\.[[:alnum:]]+', '<path>', 'g'),
        '\m[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\M', '<id>', 'gi'),
        '\m0x[0-9a-f]+\M', '<id>', 'gi'
    ),
    '(?<![\w>])(?=[[:alpha:]]*[0-9])(?=[0-9]*[[:alpha:]])'
    '(?:[0-9a-f]{8,}|[[:alnum:]]{16,})(?![\w<])', '<id>', 'gi'),
    '(?:(?<![\w>])[-+])?[0-9]+(?:[.,:][0-9]+)*', '<n>', 'g'),
    '\s+', ' ', 'g'), 200
),
-- What is left of unpaired quotes.
'(?<![\w<>])["''`]|["''`](?![\w<>])', ' ', 'g'),
'\s+', ' ', 'g')),
'(<(?:text|url|path|id|n)>)(?:[,;]? ?\1)+', '\1', 'g'));
