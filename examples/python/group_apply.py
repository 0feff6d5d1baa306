"""A regression per firm from Python, without a job file: `shoal.group_apply` and the table in memory.

pip install ./python pandas statsmodels
SHOAL_BIN=~/.cache/shoal/target/debug/shoal python examples/python/group_apply.py
"""

import pathlib

import pandas as pd
import statsmodels.api as sm

import shoal

GRUNFELD = pathlib.Path(__file__).parent.parent / "data" / "grunfeld.csv"


def fit(firm, key, params):
    """Any function of one group's rows: it may raise, and costs its own group then."""
    model = sm.OLS(firm["invest"], sm.add_constant(firm[params["features"]])).fit()
    return {"value": model.params["value"], "capital": model.params["capital"], "r2": model.rsquared, "years": len(firm)}


if __name__ == "__main__":
    models = shoal.group_apply(
        pd.read_csv(GRUNFELD),
        by=["firm"],
        func=fit,
        returns={"value": "float64", "capital": "float64", "r2": "float64", "years": "int64"},
        params={"features": ["value", "capital"]},
    )
    print(models[["firm", "status", "value", "capital", "r2", "years"]].to_string(index=False))
