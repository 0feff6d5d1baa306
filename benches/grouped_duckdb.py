"""Regression sums per group in DuckDB: what a least-squares fit of y on x1 and x2 needs, one row per group, as Parquet.

Prints {"seconds": [...], "peak_rss_mib": ...}; the first run warms up and does not count.
"""

import json
import os
import resource
import sys
import time

import duckdb

path, threads, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
written = os.path.join(os.path.dirname(path), "duckdb-sums.parquet")
connection = duckdb.connect(config={"threads": threads})
QUERY = f"""
COPY (
  SELECT g, count(*) AS n,
         sum(x1) AS s1, sum(x2) AS s2, sum(y) AS sy,
         sum(x1 * x1) AS s11, sum(x1 * x2) AS s12, sum(x2 * x2) AS s22,
         sum(x1 * y) AS s1y, sum(x2 * y) AS s2y, sum(y * y) AS syy
  FROM read_parquet('{path}')
  GROUP BY g
) TO '{written}' (FORMAT parquet, COMPRESSION zstd)
"""
seconds = []
for run in range(runs + 1):
    start = time.perf_counter()
    connection.execute(QUERY)
    if run > 0:
        seconds.append(time.perf_counter() - start)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak_rss_mib": peak}))
