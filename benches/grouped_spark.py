"""Least squares of y on x1 and x2 per group by Spark's applyInPandas and numpy, as Parquet.

Prints {"seconds": [...], "peak_rss_mib": ...}; a query over a small part of the table warms up and does not count.
"""

import json
import os
import resource
import sys
import time

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession

path, threads, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
# Workers run what this runs: another Python would not have the packages.
os.environ["PYSPARK_PYTHON"] = sys.executable
written = os.path.join(os.path.dirname(path), "spark-models")
spark = (
    SparkSession.builder.master(f"local[{threads}]")
    .config("spark.driver.memory", "4g")
    .config("spark.sql.shuffle.partitions", str(4 * threads))
    .config("spark.ui.enabled", "false")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")


def fit(rows):
    x = np.column_stack([np.ones(len(rows)), rows["x1"], rows["x2"]])
    found = np.linalg.lstsq(x, rows["y"], rcond=None)[0]
    return pd.DataFrame([[rows["g"].iloc[0], *found]], columns=["g", "intercept", "x1", "x2"])


def train(table):
    models = table.groupBy("g").applyInPandas(fit, "g long, intercept double, x1 double, x2 double")
    models.write.mode("overwrite").parquet(written)


table = spark.read.parquet(path)
train(table.where("g < 100"))
seconds = []
for _ in range(runs):
    start = time.perf_counter()
    train(table)
    seconds.append(time.perf_counter() - start)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak_rss_mib": peak}))
