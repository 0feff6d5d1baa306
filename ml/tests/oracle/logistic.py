"""Fits logistic regressions with scikit-learn and statsmodels: JSON questions on stdin, one answer each on stdout."""

import json
import sys
import warnings

import numpy as np
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression


def listed(values):
    return [float(v) if np.isfinite(v) else None for v in values]


def penalised(x, y, weights, options):
    # The one solver for absolute penalties here that leaves the intercept alone converges slowly.
    smooth = options["l1_ratio"] == 0
    # An intercept that is free makes up for any shift of the features, and without one it converges faster.
    center = x.mean(axis=0) if options["intercept"] else np.zeros(x.shape[1])
    x = x - center
    fit = LogisticRegression(
        C=options["c"],
        l1_ratio=options["l1_ratio"],
        fit_intercept=options["intercept"],
        solver="newton-cholesky" if smooth else "saga",
        tol=1e-10,
        max_iter=1_000 if smooth else 200_000,
        random_state=0,
    ).fit(x, y, sample_weight=weights)
    if not smooth and options["intercept"] and not fit.coef_.any():
        # It looks at the slopes alone to stop, and so stops at once where there are none: the intercept is then known.
        shares = np.array([np.sum(np.ones(len(y)) if weights is None else weights, where=y == c) for c in fit.classes_])
        logs = np.log(shares)
        fit.intercept_ = logs[1:] - logs[0] if len(shares) == 2 else logs
    constant = fit.intercept_ - fit.coef_ @ center
    constant -= constant.mean() if len(fit.classes_) > 2 else 0.0
    coefficients = np.column_stack([constant, fit.coef_]) if options["intercept"] else fit.coef_
    chosen = fit.predict_log_proba(x)[np.arange(len(y)), np.searchsorted(fit.classes_, y)]
    return {
        "coefficients": [listed(c) for c in coefficients],
        "log_likelihood": float(np.sum(chosen if weights is None else weights * chosen)),
    }


def unpenalised(x, y, weights, options):
    if options["intercept"]:
        x = np.column_stack([np.ones(len(x)), x])
    classes = len(np.unique(y))
    if weights is not None:
        fit = sm.GLM(y, x, family=sm.families.Binomial(), freq_weights=weights).fit(tol=1e-13, maxiter=200)
    elif classes == 2:
        fit = sm.Logit(y, x).fit(method="newton", tol=1e-14, maxiter=200, disp=0)
    else:
        fit = sm.MNLogit(y, x).fit(method="newton", tol=1e-14, maxiter=200, disp=0)
    params = np.asarray(fit.params)
    answer = {
        "coefficients": [listed(params)] if params.ndim == 1 else [listed(column) for column in params.T],
        "log_likelihood": float(fit.llf),
    }
    if classes == 2:
        whole = weights is None and options["intercept"]
        answer |= {
            "std_errors": listed(fit.bse),
            "z_values": listed(fit.tvalues),
            "p_values": listed(fit.pvalues),
            "aic": float(fit.aic),
            "bic": float(fit.bic) if whole else None,
            "null_log_likelihood": float(fit.llnull) if whole else None,
        }
    return answer


def answer(question):
    options = question["options"]
    x, y = np.column_stack(question["features"]), np.array(question["target"])
    weights = None if question["weights"] is None else np.array(question["weights"])
    fit = penalised if options["estimator"] == "scikit-learn" else unpenalised
    return fit(x, y, weights, options)


# Of tolerances below what rounding leaves.
warnings.simplefilter("ignore")
json.dump([answer(question) for question in json.load(sys.stdin)], sys.stdout)
