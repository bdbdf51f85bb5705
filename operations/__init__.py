"""What people run: the commands, the failed events, the migrations, the logs."""

__distribution__ = "botlive-events"
