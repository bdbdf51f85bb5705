"""Everything for operators: the commands, the failed events, the migrations and the logs."""

__distribution__ = "botlive-events"
