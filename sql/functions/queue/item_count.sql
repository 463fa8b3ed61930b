-- Count the ordinals in a multirange.
CREATE OR REPLACE FUNCTION evtrack.item_count(items int4multirange)
RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(sum(upper(r) - lower(r)), 0)::integer FROM unnest(items) r
$$;
