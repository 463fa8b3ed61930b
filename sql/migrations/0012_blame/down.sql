-- loses: what is known about suspects, if evtrack.item_mark has rows
DROP FUNCTION IF EXISTS evtrack.claim(
    bigint, bigint[], integer[], integer, text[], integer, integer
);
DROP FUNCTION IF EXISTS evtrack.claimable(text[], bigint[], integer[]);
DROP FUNCTION IF EXISTS evtrack.register_worker(
    text, text, integer, integer, text[], text, boolean
);
DROP FUNCTION IF EXISTS evtrack.begin_stop(bigint);
DROP FUNCTION IF EXISTS evtrack.report_in_hand(bigint, jsonb);
DROP FUNCTION IF EXISTS evtrack.raise_alert(
    text, text, text, text, jsonb, bigint, integer
);
DROP FUNCTION IF EXISTS evtrack.check_alerts(
    interval, float8, interval, bigint, bigint, interval, float8
);
DROP FUNCTION IF EXISTS evtrack.mark_items(
    bigint, bigint[], integer[], integer[], integer[], text[], integer[],
    boolean[]
);
DROP FUNCTION IF EXISTS evtrack.report_death(
    bigint, bigint, jsonb, bigint[], integer[], integer[], boolean[],
    integer[], text[], text[]
);
DROP FUNCTION IF EXISTS evtrack.crash_one(
    bigint, bigint, integer, jsonb, int4multirange, text, boolean
);
DROP FUNCTION IF EXISTS evtrack.lose(
    evtrack.worker, text, jsonb, evtrack.batch_at_death[]
);
DROP FUNCTION IF EXISTS evtrack.lose_one(
    evtrack.worker, evtrack.job, evtrack.batch, jsonb, boolean, integer,
    int4multirange, text, boolean
);
DROP FUNCTION IF EXISTS evtrack.known_items(
    evtrack.worker, evtrack.batch, evtrack.batch_at_death[], integer
);
DROP FUNCTION IF EXISTS evtrack.divide_suspect(
    evtrack.worker, evtrack.batch_at_death
);
DROP FUNCTION IF EXISTS evtrack.split_crashed(
    evtrack.job, evtrack.batch, jsonb, int4multirange, text, jsonb
);
DROP FUNCTION IF EXISTS evtrack.lock_suspects(bigint[], bigint[]);
DROP FUNCTION IF EXISTS evtrack.item_facts(evtrack.job, integer);
DROP FUNCTION IF EXISTS evtrack.result_lines(int4multirange, text);
DROP FUNCTION IF EXISTS evtrack.raise_isolation(
    evtrack.isolation, evtrack.isolation
);
DROP TYPE evtrack.batch_at_death;
DROP FUNCTION IF EXISTS evtrack.complete(
    bigint, bigint[], integer[], integer[], float8[], text[], bigint[], float8[]
);
DROP TABLE evtrack.upkeep;
ALTER TABLE evtrack.worker
DROP COLUMN marks, DROP COLUMN stopping_at,
DROP COLUMN in_hand, DROP COLUMN in_hand_at;
DROP TABLE evtrack.item_mark;
ALTER TABLE evtrack.batch
DROP COLUMN isolation, DROP COLUMN exclusive_losses;
DROP TYPE evtrack.isolation;
