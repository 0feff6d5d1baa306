"""Prints the rows of a Delta table's latest version as JSON, read by the Python package `deltalake`; bytes as hex digits.

usage: read_delta.py TABLE
"""

import json
import math
import os
import sys

from deltalake import DeltaTable


def plain(value):
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


rows = DeltaTable(sys.argv[1]).to_pyarrow_table().to_pylist()
json.dump([plain(row) for row in rows], sys.stdout, default=str)
# The package's threads may abort the interpreter while it shuts down.
sys.stdout.flush()
os._exit(0)
