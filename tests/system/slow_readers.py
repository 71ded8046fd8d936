"""Clients that ask for a result, take one chunk, and then nothing, each on a connection of its own.

``python slow_readers.py HOST:PORT JOB READERS``: says "ready" when each has its chunk, and holds
all streams open until its standard input ends.
"""

from __future__ import annotations

import sys

import grpc

from labd.wire import iqm_server_pb2 as iqm
from labd.wire import iqm_server_pb2_grpc as iqm_grpc


def main() -> None:
    address, job_id, n_readers = sys.argv[1], sys.argv[2], int(sys.argv[3])
    channels = [
        grpc.insecure_channel(address, (("grpc.use_local_subchannel_pool", 1),))
        for _ in range(n_readers)
    ]
    wanted = iqm.JobLookupV1(id=iqm.Uuid(str=job_id))
    streams = [iqm_grpc.JobsStub(channel).GetJobResultsV1(wanted) for channel in channels]
    for stream in streams:
        next(iter(stream))
    print("ready", flush=True)
    sys.stdin.read()
    for channel in channels:
        channel.close()


if __name__ == "__main__":
    main()
