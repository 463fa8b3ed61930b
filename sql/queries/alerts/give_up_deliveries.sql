-- Give up deliveries that no running watcher can make.
SELECT
    g.sink,
    g.deliveries
FROM evtrack.give_up_deliveries() AS g
