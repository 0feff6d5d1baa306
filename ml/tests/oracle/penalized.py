"""Fits ridge regressions and elastic nets with scikit-learn: JSON questions on stdin, one answer each on stdout."""

import json
import sys
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Ridge
from sklearn.linear_model._coordinate_descent import _alpha_grid


def estimator(options):
    if options["estimator"] == "ridge":
        return Ridge(alpha=options["alpha"], fit_intercept=options["intercept"], solver="svd")
    return ElasticNet(
        alpha=options["alpha"],
        l1_ratio=options["l1_ratio"],
        fit_intercept=options["intercept"],
        tol=1e-13,
        max_iter=300_000,
    )


def answer(question):
    options = question["options"]
    x = np.column_stack(question["features"])
    y = np.array(question["target"])
    if options["estimator"] == "alphas":
        return {
            "alphas": list(
                _alpha_grid(x, y, l1_ratio=options["l1_ratio"], eps=options["smallest"], n_alphas=options["count"])
            )
        }
    weights = question["weights"] and np.array(question["weights"])
    fit = estimator(options).fit(x, y, sample_weight=weights)
    w = np.ones(len(y)) if weights is None else weights
    residuals = np.sum(w * (y - fit.predict(x)) ** 2)
    center = np.average(y, weights=w) if options["intercept"] else 0.0
    constant = [float(fit.intercept_)] if options["intercept"] else []
    return {
        "coefficients": constant + list(map(float, fit.coef_)),
        "r2": float(1 - residuals / np.sum(w * (y - center) ** 2)),
        "rmse": float(np.sqrt(residuals / np.sum(w))),
    }


# The tolerance asked for is below what rounding leaves; the fits are as good as they get. So are penalties on squares
# alone, for which coordinate descent is advised against.
warnings.simplefilter("ignore", ConvergenceWarning)
warnings.simplefilter("ignore", UserWarning)
json.dump([answer(question) for question in json.load(sys.stdin)], sys.stdout)
