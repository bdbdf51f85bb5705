"""RQ's workers with what a job needs imported before the first fork, as RQ's documentation advises.

Without it each work horse of the forking ``Worker`` imports supabase anew, 0.6 s a job.
"""

from rq.worker import SimpleWorker, Worker

import worker.job as _  # noqa: F401 # the import is what it is for

__all__ = ["SimpleWorker", "Worker"]
