-- loses: the alerts, if evtrack.alert has rows
DROP TABLE evtrack.alert, evtrack.alert_storm;
DROP FUNCTION IF EXISTS evtrack.alert_of(evtrack.event[]);
