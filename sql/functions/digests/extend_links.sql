-- Append an event's digest of form 1 to the digests of its stream: the sha256 of the
-- previous digest and the event's text. Events from before there were digests
-- have zeros. A plain expression, so that it is inlined into the fold's plans.
CREATE OR REPLACE FUNCTION evtrack.extend_links(
    links bytea, version integer, event_text text
) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN links IS NULL
        THEN decode(repeat('00', 32 * version), 'hex')
            || sha256(CASE WHEN version = 0 THEN ''
                ELSE decode(repeat('00', 32), 'hex') END
                || convert_to(event_text, 'UTF8'))
        ELSE links || sha256(substring(links, octet_length(links) - 31)
            || convert_to(event_text, 'UTF8')) END
$$;
