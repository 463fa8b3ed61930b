-- Register a worker.
SELECT
    evtrack.register_worker(
        %(name)s::text,
        %(host)s::text,
        %(pid)s::integer,
        %(slots)s::integer,
        %(handlers)s::text[],
        %(version)s::text,
        %(marks)s::boolean
    ) AS worker_id
