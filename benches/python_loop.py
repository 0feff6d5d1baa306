"""Calls a function of python_fit.py for every group in plain processes, without any cluster: each reads the same Parquet file,
keeps its share of the groups, puts their rows next to each other, loops, and writes what came out as Parquet.

Prints {"seconds": [...], "peak_rss_mib": ...}; processes are started before the clock is, and the first run warms up.
"""

import json
import multiprocessing
import os
import resource
import sys
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import python_fit

path, processes, runs, frame = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
written = os.path.join(os.path.dirname(path), f"python-loop-{frame}")


def numpy_groups(rows):
    g = rows["g"].to_numpy()
    order = np.argsort(g, kind="stable")
    g = g[order]
    columns = {name: rows[name].to_numpy()[order] for name in ["x1", "y"]}
    starts = np.flatnonzero(np.concatenate([[True], g[1:] != g[:-1]]))
    for start, end in zip(starts, np.append(starts[1:], len(g))):
        yield g[start], {name: column[start:end] for name, column in columns.items()}


def pandas_groups(rows):
    return rows.to_pandas().groupby("g", sort=False)


def loop(share):
    # Each process computes with one thread, as each of Shoal's does.
    rows = pq.read_table(path, columns=["g", "x1", "y"], use_threads=False)
    rows = rows.filter(pa.array(rows["g"].to_numpy() % processes == share))
    groups, fit = {
        "numpy": (numpy_groups, python_fit.with_numpy),
        "pandas": (pandas_groups, python_fit.with_pandas),
    }[frame]
    found = pd.DataFrame([{"g": key, **fit(group)} for key, group in groups(rows)])
    found.to_parquet(f"{written}-{share}.parquet")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    pa.set_cpu_count(1)
    with multiprocessing.Pool(processes) as pool:
        seconds = []
        for run in range(runs + 1):
            start = time.perf_counter()
            peaks = pool.map(loop, range(processes), chunksize=1)
            if run > 0:
                seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "peak_rss_mib": sum(peaks)}))
