-- Set up a session for a cleanup. A session with a lock on a whole day, as its owner may take, must not make it wait
-- forever. Streams are read by the primary key: a sort would ignore the reader's pace, and spill to disk.
SELECT
    set_config('lock_timeout', '10s', false) AS lock_timeout,
    set_config('enable_sort', 'off', false) AS enable_sort
