-- Return the last digest of a batch with so many events, in whatever form.
CREATE OR REPLACE FUNCTION evtrack.last_batch_link(links bytea, events integer)
RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(substring(links, octet_length(links)
            - CASE octet_length(links) WHEN 16 * events THEN 15 ELSE 31 END),
        decode(repeat('00', 32), 'hex'))
$$;
