"""Remote calls that do nothing, in Ray Core.

Arguments: tasks, cores, runs. Prints {"seconds": [...], "peak_rss_mib": ...}; the first run warms up and does not count.
"""

import json
import resource
import sys
import time

import ray

tasks, cores, runs = (int(argument) for argument in sys.argv[1:4])
ray.init(num_cpus=cores, include_dashboard=False, log_to_driver=False, logging_level="error")


@ray.remote
def nothing():
    return None


seconds = []
for run in range(runs + 1):
    start = time.perf_counter()
    ray.get([nothing.remote() for _ in range(tasks)])
    if run > 0:
        seconds.append(time.perf_counter() - start)
ray.shutdown()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak_rss_mib": peak}))
