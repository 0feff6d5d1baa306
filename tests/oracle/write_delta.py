"""Makes a Delta table of a CSV file with the Python package `deltalake`, and prints its latest version as JSON.

usage: write_delta.py CSV TABLE PARTITION

Version 0 has the rows of the file, partitioned by the column PARTITION; version 1 has all of them once more with every
number doubled.
"""

import os
import sys

import pandas as pd
from deltalake import DeltaTable, write_deltalake

csv, table, partition = sys.argv[1:]
rows = pd.read_csv(csv)
write_deltalake(table, rows, partition_by=[partition])
doubled = rows.assign(**{name: 2 * rows[name] for name in rows.select_dtypes("number")})
write_deltalake(table, doubled, mode="append")
print(DeltaTable(table).version())
# The package's threads may abort the interpreter while it shuts down.
sys.stdout.flush()
os._exit(0)
