"""Fits least squares with statsmodels: JSON questions on stdin, one answer each on stdout."""

import json
import sys

import numpy as np
import statsmodels.api as sm


def listed(values):
    return [float(v) if np.isfinite(v) else None for v in values]


def answer(question):
    x = np.column_stack(question["features"])
    if question["options"]["intercept"]:
        x = np.column_stack([np.ones(len(x)), x])
    y = np.array(question["target"])
    weights = np.ones(len(y)) if question["weights"] is None else np.array(question["weights"])
    fit = sm.WLS(y, x, weights=weights, hasconst=question["options"]["intercept"]).fit()
    answer = {
        "coefficients": listed(fit.params),
        "std_errors": listed(fit.bse),
        "t_values": listed(fit.tvalues),
        "p_values": listed(fit.pvalues),
        "r2": float(fit.rsquared),
        "adj_r2": float(fit.rsquared_adj),
        "sigma": float(np.sqrt(fit.mse_resid)),
        "f_value": float(fit.fvalue),
        "log_likelihood": float(fit.llf),
        "aic": float(fit.aic),
        "bic": float(fit.bic),
    }
    for kind in ["HC0", "HC1", "HC2", "HC3"]:
        robust = fit.get_robustcov_results(kind, use_t=True)
        answer[kind] = {"std_errors": listed(robust.bse), "p_values": listed(robust.pvalues)}
    frame = fit.get_prediction(x).summary_frame(alpha=0.1)
    answer["intervals"] = {
        "mean": {"lower": listed(frame["mean_ci_lower"]), "upper": listed(frame["mean_ci_upper"])},
        "observation": {"lower": listed(frame["obs_ci_lower"]), "upper": listed(frame["obs_ci_upper"])},
    }
    return answer


json.dump([answer(question) for question in json.load(sys.stdin)], sys.stdout)
