SELECT evtrack.settle_log() AS settled
