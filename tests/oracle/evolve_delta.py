"""Makes a Delta table as one becomes that others have used for a while.

    evolve_delta.py CSV TABLE COLUMN EVERY

Version 0 has the first half of the CSV's rows without COLUMN, version 1 adds that column and the other half of the rows, and
version 2 deletes every so manyth row of that half, the first of it first, by a deletion vector: the file stays as it is, and
the log has a bitmap of what is gone. No writer for Python has these, so the bitmap is put together here, after the protocol of
Delta (PROTOCOL.md, "Deletion Vector Format") and the format of Roaring bitmaps.
"""

import json
import os
import struct
import sys

import deltalake
import pyarrow.csv

MAGIC = 1681511377
NO_RUNS = 12346
Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def bitmap(rows):
    """Rows below 65,536 as a 64-bit Roaring bitmap of one container, which is a sorted array."""
    container = struct.pack(f"<{len(rows)}H", *rows)
    header = struct.pack("<II", NO_RUNS, 1) + struct.pack("<HH", 0, len(rows) - 1)
    offset = struct.pack("<I", len(header) + 4)
    return struct.pack("<i", MAGIC) + struct.pack("<qI", 1, 0) + header + offset + container


def z85(data):
    data += b"\0" * (-len(data) % 4)
    words = struct.unpack(f">{len(data) // 4}I", data)
    return "".join(Z85[word // 85**power % 85] for word in words for power in (4, 3, 2, 1, 0))


def actions(table, version):
    with open(os.path.join(table, "_delta_log", f"{version:020}.json")) as log:
        return [json.loads(line) for line in log]


def delete(table, every):
    schema = [action["metaData"] for action in actions(table, 1) if "metaData" in action][0]
    add = [action["add"] for action in actions(table, 1) if "add" in action][0]
    rows = list(range(0, json.loads(add["stats"])["numRecords"], every))
    data = bitmap(rows)
    vector = {"storageType": "i", "pathOrInlineDv": z85(data), "sizeInBytes": len(data), "cardinality": len(rows)}
    features = ["deletionVectors"]
    remove = {"path": add["path"], "deletionTimestamp": add["modificationTime"], "dataChange": True}
    commit = [
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}},
        {"metaData": {**schema, "configuration": {"delta.enableDeletionVectors": "true"}}},
        {"remove": remove},
        {"add": {**add, "deletionVector": vector}},
    ]
    with open(os.path.join(table, "_delta_log", f"{2:020}.json"), "x") as log:
        log.writelines(json.dumps(action) + "\n" for action in commit)


def main(csv, table, column, every):
    rows = pyarrow.csv.read_csv(csv)
    half = rows.num_rows // 2
    deltalake.write_deltalake(table, rows.slice(0, half).drop_columns([column]))
    deltalake.write_deltalake(table, rows.slice(half), mode="append", schema_mode="merge")
    delete(table, int(every))
    print("null")


main(*sys.argv[1:])
# The package's threads may abort the interpreter while it shuts down.
sys.stdout.flush()
os._exit(0)
