"""Fits a model per group of one table, predicts for the rows of another, and prints both as JSON.

usage: scores.py linear|classes TRAIN ROWS KEY FEATURES TARGET LEVEL

TRAIN and ROWS are CSV files; FEATURES are separated by commas. `linear` is statsmodels' OLS with an intercept, whose
predictions have the bounds of a new observation at LEVEL; `classes` is scikit-learn's logistic regression without a penalty
to speak of. What is printed has `models`, one per group, and `predictions`, one per row of ROWS, null where the group has no
model or a feature is missing.
"""

import json
import sys

import numpy as np
import pandas as pd
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression


class Linear:
    def __init__(self, x, y):
        self.result = sm.OLS(y, sm.add_constant(x, has_constant="add")).fit()

    def model(self):
        upper = np.triu_indices(len(self.result.params))
        return {
            "intercept": self.result.params[0],
            "coefficients": list(self.result.params[1:]),
            "sigma": np.sqrt(self.result.mse_resid),
            "df": self.result.df_resid,
            "inverse_gram": list(self.result.normalized_cov_params[upper]),
        }

    def predict(self, x, level):
        frame = self.result.get_prediction(sm.add_constant(x, has_constant="add")).summary_frame(alpha=1 - level)
        return {
            "prediction": frame["mean"].iloc[0],
            "prediction_lower": frame["obs_ci_lower"].iloc[0],
            "prediction_upper": frame["obs_ci_upper"].iloc[0],
        }


class Classes:
    def __init__(self, x, y):
        self.fit = LogisticRegression(C=1e3, tol=1e-10, max_iter=10_000).fit(x, y)

    def model(self):
        return {
            "classes": list(self.fit.classes_),
            "intercepts": list(self.fit.intercept_),
            "coefficients": list(self.fit.coef_.ravel()),
        }

    def predict(self, x, level):
        shares = self.fit.predict_proba(x)[0]
        return {
            "predicted_class": self.fit.predict(x)[0],
            "probabilities": dict(zip(self.fit.classes_, shares)),
        }


def main():
    kind, train, rows, key, features, target, level = sys.argv[1:]
    kind, features, level = {"linear": Linear, "classes": Classes}[kind], features.split(","), float(level)
    train, rows = pd.read_csv(train), pd.read_csv(rows)
    fits = {group: kind(part[features].to_numpy(float), part[target].to_numpy()) for group, part in train.groupby(key)}

    def predict(row):
        x = row[features].to_numpy(dtype=float).reshape(1, -1)
        if row[key] not in fits or not np.isfinite(x).all():
            return None
        return fits[row[key]].predict(x, level)

    answer = {
        "models": [{key: group} | fit.model() for group, fit in fits.items()],
        "predictions": [predict(row) for _, row in rows.iterrows()],
    }
    json.dump(answer, sys.stdout, default=lambda value: value.item())


main()
