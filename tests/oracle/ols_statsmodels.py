"""Fits an ordinary least squares per group with statsmodels and prints the results as JSON, named as Shoal names them.

usage: ols_statsmodels.py TABLE KEYS FEATURES TARGET EVERY

TABLE is a CSV or Parquet file or a folder of such files; KEYS and FEATURES are separated by commas; of every EVERY
groups, in the order of their keys, the first is fitted. Rows with a missing or infinite value are dropped. Groups that
have no unique solution, or no residual degrees of freedom, are left out.
"""

import glob
import json
import os
import sys

import numpy as np
import pandas as pd
import statsmodels.api as sm


def read(table):
    files = sorted(glob.glob(os.path.join(table, "*.*"))) if os.path.isdir(table) else [table]
    return pd.concat([read_file(file) for file in files], ignore_index=True)


def read_file(file):
    # Nullable types: an integer key stays one beside a missing key.
    reader = pd.read_csv if file.endswith(".csv") else pd.read_parquet
    return reader(file, dtype_backend="numpy_nullable")


def plain(value):
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return None
    return value.item() if hasattr(value, "item") else value


def fit(rows, features, target):
    numbers = rows[features + [target]].astype("Float64").to_numpy(dtype="float64", na_value=np.nan)
    kept = numbers[np.isfinite(numbers).all(axis=1)]
    exog = np.column_stack([np.ones(len(kept)), kept[:, :-1]])
    if len(kept) <= exog.shape[1] or np.linalg.matrix_rank(exog) < exog.shape[1]:
        return None
    result = sm.OLS(kept[:, -1], exog).fit()
    terms = ["intercept"] + features

    def by_term(values):
        return dict(zip(terms, map(float, values)))

    return {
        "rows_used": len(kept),
        "rows_dropped": len(rows) - len(kept),
        "coefficients": by_term(result.params),
        "std_errors": by_term(result.bse),
        "t_values": by_term(result.tvalues),
        "p_values": by_term(result.pvalues),
        "r2": float(result.rsquared),
        "adj_r2": float(result.rsquared_adj),
        "sigma": float(np.sqrt(result.mse_resid)),
        "df_residual": float(result.df_resid),
        "f_value": float(result.fvalue),
        "f_p_value": float(result.f_pvalue),
        "log_likelihood": float(result.llf),
        "aic": float(result.aic),
        "bic": float(result.bic),
    }


def main():
    table, keys, features, target, every = sys.argv[1:]
    keys, features, every = keys.split(","), features.split(","), int(every)
    fits = []
    for number, (key, rows) in enumerate(read(table).groupby(keys, dropna=False, sort=True)):
        if number % every == 0 and (fitted := fit(rows, features, target)) is not None:
            fits.append(dict(zip(keys, map(plain, key))) | fitted)
    json.dump(fits, sys.stdout)


main()
