"""Prints as JSON what DuckDB says of each firm and decade of a CSV file.

usage: decades_duckdb.py CSV YEARS_MIN

Decades with fewer years than YEARS_MIN are left out.
"""

import json
import sys

import duckdb

QUERY = """
SELECT firm, year // 10 * 10 AS decade, count(*) AS years, avg(invest) AS invest, corr(invest, "value") AS correlation
FROM read_csv(?) GROUP BY ALL HAVING count(*) >= ?
"""


def main():
    rows = duckdb.execute(QUERY, [sys.argv[1], int(sys.argv[2])])
    names = [column[0] for column in rows.description]
    json.dump([dict(zip(names, row)) for row in rows.fetchall()], sys.stdout)


main()
