"""A job's call, which RQ may have compressed: no more of it is unpacked than an event may have."""

import zlib

from gateway.errors import OversizedJob

LARGEST = 8_000_000
"""Bytes of one job's call. The largest event that its contract admits has 6.3 MB."""


def unpack(data: bytes) -> bytes:
    """The call as text.

    Raises:
        OversizedJob: it is larger than any event. What is beyond the bound is not unpacked.
    """
    if len(data) > LARGEST:
        raise OversizedJob
    # As rq.job.Job.restore: what RQ has saved itself, after a failure for example, it has compressed.
    unpacker = zlib.decompressobj()
    try:
        call = unpacker.decompress(data, LARGEST + 1)
    except zlib.error:
        return data
    if len(call) > LARGEST:
        del call  # the error's traceback would keep it
        raise OversizedJob
    return call if unpacker.eof else data


def is_oversized(data: bytes) -> bool:
    """Whether it is larger than any event."""
    try:
        unpack(data)
    except OversizedJob:
        return True
    return False
