-- Append the batches of a chunk, whose items were copied in this transaction.
SELECT evtrack.add_batches(
    %(job_id)s::bigint,
    %(submitter)s::uuid,
    %(first_batch_no)s::integer,
    %(item_counts)s::integer[],
    %(weights)s::bigint[],
    %(first_ordinals)s::integer[],
    %(position)s::jsonb,
    %(bytes_read)s::bigint,
    %(invalid)s::integer,
    %(notes)s::jsonb,
    %(note_total)s::integer
) AS last_batch_no
