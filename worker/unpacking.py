"""Unpacks a job's call, which RQ may have compressed, up to the size of the largest event."""

import zlib

from gateway.errors import OversizedJob

LARGEST = 8_000_000
"""Bytes of one job's call, at most. The largest event that the contracts allow has 6.3 MB."""


def unpack(data: bytes) -> bytes:
    """Return the call as JSON text.

    Raises:
        OversizedJob: it is larger than any event; the rest beyond ``LARGEST`` is not unpacked.
    """
    if len(data) > LARGEST:
        raise OversizedJob
    if data.startswith(b"["):  # no zlib stream begins like this
        return data
    # As in rq.job.Job.restore: RQ compresses the data when it saves a job, for example after a failure.
    unpacker = zlib.decompressobj()
    try:
        call = unpacker.decompress(data, LARGEST + 1)
    except zlib.error:
        return data
    if len(call) > LARGEST:
        del call  # otherwise the traceback would keep it in memory
        raise OversizedJob
    return call if unpacker.eof else data


def is_oversized(data: bytes) -> bool:
    """Return whether the data is larger than any event."""
    try:
        unpack(data)
    except OversizedJob:
        return True
    return False
