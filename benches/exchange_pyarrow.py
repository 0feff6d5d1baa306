"""Batches of an Arrow file over pyarrow's Flight: a server process that holds them, and a client that reads them all.

Prints {"seconds": [...], "peak_rss_mib": ...}, the memory of the server; the first run warms up and does not count.
"""

import json
import multiprocessing
import resource
import sys
import time

import pyarrow as pa
import pyarrow.flight as flight


class Holder(flight.FlightServerBase):
    """Hands the batches out, as it has them in memory."""

    def __init__(self, path):
        super().__init__("grpc://127.0.0.1:0")
        with pa.OSFile(path) as file:
            self.table = pa.ipc.open_file(file).read_all()

    def do_get(self, context, ticket):
        return flight.RecordBatchStream(self.table)


def hold(path, pipe):
    holder = Holder(path)
    pipe.send(holder.port)
    pipe.recv()
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    holder.shutdown()


def main():
    path, runs = sys.argv[1], int(sys.argv[2])
    pipe, other = multiprocessing.Pipe()
    # Not forked: gRPC does not work in a fork of a process that has used it.
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(path, other), daemon=True)
    process.start()
    client = flight.connect(f"grpc://127.0.0.1:{pipe.recv()}")
    seconds = []
    for run in range(runs + 1):
        start = time.perf_counter()
        rows = 0
        for chunk in client.do_get(flight.Ticket(b"all")):
            rows += chunk.data.num_rows
        if run > 0:
            seconds.append(time.perf_counter() - start)
    pipe.send("end")
    print(json.dumps({"seconds": seconds, "peak_rss_mib": pipe.recv()}))
    process.join()


if __name__ == "__main__":
    main()
