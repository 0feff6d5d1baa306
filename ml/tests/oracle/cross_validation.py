"""Cross-validates linear models with scikit-learn: JSON questions on stdin, one answer each on stdout."""

import json
import sys

import numpy as np
from sklearn.linear_model import ElasticNet, LinearRegression, Ridge
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import PredefinedSplit, cross_val_predict


def estimator(options):
    match options["estimator"]:
        case "ols":
            return LinearRegression()
        case "ridge":
            return Ridge(alpha=options["alpha"], solver="svd")
        case "elastic_net":
            return ElasticNet(alpha=options["alpha"], l1_ratio=options["l1_ratio"], tol=1e-13, max_iter=100_000)


def answer(question):
    options = question["options"]
    x, y = np.column_stack(question["features"]), np.array(question["target"])
    predicted = cross_val_predict(estimator(options), x, y, cv=PredefinedSplit(options["fold_of"]))
    return {
        "rmse": float(root_mean_squared_error(y, predicted)),
        "mae": float(mean_absolute_error(y, predicted)),
        "r2": float(r2_score(y, predicted)),
    }


json.dump([answer(question) for question in json.load(sys.stdin)], sys.stdout)
