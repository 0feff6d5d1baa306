"""Prints as JSON what a pipeline of scikit-learn per firm predicts for the rows of a CSV file from a year on.

usage: pipelines.py CSV YEAR

Each pipeline has learned from all years of its firm.
"""

import json
import sys

import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler


def main():
    table, year = pd.read_csv(sys.argv[1]), int(sys.argv[2])
    predicted = []
    for firm, rows in table.groupby("firm"):
        pipeline = Pipeline([("scale", StandardScaler()), ("fit", Ridge(alpha=0.1))])
        pipeline.fit(rows[["value", "capital"]].values, rows["invest"].values)
        new = rows[rows["year"] >= year]
        values = pipeline.predict(new[["value", "capital"]].values)
        for (_, row), value in zip(new.iterrows(), values):
            predicted.append({"firm": firm, "year": int(row["year"]), "invest": row["invest"], "prediction": value})
    json.dump(predicted, sys.stdout)


main()
