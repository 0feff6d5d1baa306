"""Least squares of y on x1 and x2 per group by polars with polars-ds, as Parquet.

Prints {"seconds": [...], "peak_rss_mib": ...}; the first run warms up and does not count.
"""

import json
import os
import resource
import sys
import time

path, threads, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.environ["POLARS_MAX_THREADS"] = str(threads)

import polars as pl  # noqa: E402
import polars_ds as pds  # noqa: E402

written = os.path.join(os.path.dirname(path), "polars-models.parquet")
seconds = []
for run in range(runs + 1):
    start = time.perf_counter()
    fit = pds.lin_reg(pl.col("x1"), pl.col("x2"), target=pl.col("y"), add_bias=True).alias("coefficients")
    models = pl.scan_parquet(path).group_by("g").agg(fit).collect()
    models.write_parquet(written)
    if run > 0:
        seconds.append(time.perf_counter() - start)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak_rss_mib": peak}))
