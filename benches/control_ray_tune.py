"""Trials that report one number and end, in Ray Tune.

Arguments: trials, cores, runs. Prints {"seconds": [...], "peak_rss_mib": ...}; the first run warms up and does not count.
"""

import json
import os
import resource
import sys
import tempfile
import time

os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"

import ray
from ray import tune

trials, cores, runs = (int(argument) for argument in sys.argv[1:4])
ray.init(num_cpus=cores, include_dashboard=False, log_to_driver=False, logging_level="error")


def objective(config):
    return {"loss": config["x"] ** 2}


seconds = []
with tempfile.TemporaryDirectory() as folder:
    for run in range(runs + 1):
        # The first run only starts Ray's processes.
        count = trials if run > 0 else cores
        tuner = tune.Tuner(
            objective,
            param_space={"x": tune.uniform(-1, 1)},
            tune_config=tune.TuneConfig(num_samples=count, reuse_actors=True),
            run_config=tune.RunConfig(storage_path=folder, name=f"run-{run}", verbose=0),
        )
        start = time.perf_counter()
        results = tuner.fit()
        if run > 0:
            seconds.append(time.perf_counter() - start)
        assert len(results) == count and not results.errors
ray.shutdown()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak_rss_mib": peak}), flush=True)
