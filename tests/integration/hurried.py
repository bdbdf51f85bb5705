"""A worker process whose retry clock runs faster: ``python -m tests.integration.hurried FACTOR``."""

import sys
import time

from gateway.settings import Settings
from operations.logs import configure
from worker.bootstrap import consumer
from worker.breaker import Breaker

if __name__ == "__main__":
    factor = float(sys.argv[1])
    settings = Settings.from_env()
    configure(None)
    hurried = Breaker(
        settings.batch,
        clock=lambda: time.monotonic() * factor,
        sleep=lambda seconds: time.sleep(seconds / factor),
    )
    consumer(settings, hurried).run(burst=False)
