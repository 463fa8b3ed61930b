-- Return the last digest of a job's own stream, which covers the whole stream.
CREATE OR REPLACE FUNCTION evtrack.last_link(links bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(substring(links, octet_length(links) - 31),
        decode(repeat('00', 32), 'hex'))
$$;
