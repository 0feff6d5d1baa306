"""A stage of tasks that do nothing, in Spark: one row per task, written nowhere, in one JVM without Python workers.

Arguments: tasks, cores, runs. Prints {"seconds": [...], "peak_rss_mib": ...}; the first run warms up and does not count.
"""

import json
import sys
import time
from pathlib import Path

from pyspark.sql import SparkSession

tasks, cores, runs = (int(argument) for argument in sys.argv[1:4])
spark = (
    SparkSession.builder.master(f"local[{cores}]")
    .config("spark.ui.enabled", "false")
    .config("spark.log.level", "ERROR")
    .getOrCreate()
)
seconds = []
for run in range(runs + 1):
    start = time.perf_counter()
    spark.range(0, tasks, 1, tasks).write.format("noop").mode("overwrite").save()
    if run > 0:
        seconds.append(time.perf_counter() - start)
jvm = spark._jvm.java.lang.ProcessHandle.current().pid()
peak = next(line for line in Path(f"/proc/{jvm}/status").read_text().splitlines() if line.startswith("VmHWM:"))
spark.stop()
print(json.dumps({"seconds": seconds, "peak_rss_mib": int(peak.split()[1]) / 1024}))
