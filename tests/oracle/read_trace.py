"""Checks a file by the rules of the Trace Event Format, and prints what it shows as JSON.

usage: read_trace.py FILE
"""

import json
import numbers
import sys

trace = json.load(open(sys.argv[1], encoding="utf-8"))
assert trace["displayTimeUnit"] in ("ms", "ns"), trace["displayTimeUnit"]
processes, threads, lanes = {}, {}, {}
for event in trace["traceEvents"]:
    assert event["ph"] in ("X", "M"), event
    assert isinstance(event["name"], str) and isinstance(event["args"], dict), event
    assert isinstance(event["pid"], int) and isinstance(event["tid"], int), event
    if event["ph"] == "M":
        names = {"process_name": processes, "thread_name": threads}[event["name"]]
        key = event["pid"] if names is processes else (event["pid"], event["tid"])
        assert key not in names, f"{key} is named twice"
        names[key] = event["args"]["name"]
        continue
    assert isinstance(event["ts"], numbers.Real) and isinstance(event["dur"], numbers.Real), event
    assert event["ts"] >= 0 and event["dur"] >= 0 and event["cat"], event
    lanes.setdefault((event["pid"], event["tid"]), []).append(event)

assert set(lanes) == set(threads), "each lane has a name"
assert {pid for pid, _ in lanes} == set(processes), "and so has each process"

# In a lane, complete events nest or follow each other: a viewer draws anything else wrongly.
for lane, events in lanes.items():
    events.sort(key=lambda event: (event["ts"], -event["dur"]))
    open_until = []
    for event in events:
        start, end = event["ts"], event["ts"] + event["dur"]
        while open_until and open_until[-1]["ts"] + open_until[-1]["dur"] <= start:
            open_until.pop()
        if open_until:
            around = open_until[-1]
            assert end <= around["ts"] + around["dur"], f"{event} overlaps {around} in {lane}"
            assert (around["cat"], event["cat"]) == ("attempt", "exchange"), f"{event} in {around}"
        else:
            assert event["cat"] == "attempt", f"{event} is in no attempt"
        open_until.append(event)

events = [event | {"worker": processes[lane[0]]} for lane, events in lanes.items() for event in events]
json.dump({"events": events, "otherData": trace["otherData"]}, sys.stdout)
