"""Fits generalised linear models with statsmodels: JSON questions on stdin, one answer each on stdout."""

import json
import sys
import warnings

import numpy as np
import statsmodels.api as sm
from statsmodels.genmod.families import links

FAMILIES = {
    "poisson": sm.families.Poisson,
    "gamma": sm.families.Gamma,
    "binomial": sm.families.Binomial,
}
LINKS = {"log": links.Log, "inverse": links.InversePower, "logit": links.Logit, "probit": links.Probit}

def listed(values):
    return [float(v) if np.isfinite(v) else None for v in values]


def answer(question):
    options = question["options"]
    features, y = np.column_stack(question["features"]), np.array(question["target"])
    x = np.column_stack([np.ones(len(y)), features]) if options["intercept"] else features
    weights = np.ones(len(y)) if question["weights"] is None else np.array(question["weights"])
    family = FAMILIES[options["family"]](link=LINKS[options["link"]]())
    fit = sm.GLM(y, x, family=family, freq_weights=weights).fit(tol=1e-14, maxiter=1000, tol_criterion="params")
    return {
        "coefficients": listed(fit.params),
        "std_errors": listed(fit.bse),
        "z_values": listed(fit.tvalues),
        "p_values": listed(fit.pvalues),
        "deviance": float(fit.deviance),
        "null_deviance": float(fit.null_deviance),
        "pearson_chi2": float(fit.pearson_chi2),
        "dispersion": float(fit.scale),
        "df_residual": float(fit.df_resid),
        "log_likelihood": float(fit.llf),
        "aic": float(fit.aic),
        "rows": [listed(row) for row in features[:3]],
        "expected": listed(fit.fittedvalues[:3]),
    }


warnings.simplefilter("ignore")
json.dump([answer(question) for question in json.load(sys.stdin)], sys.stdout)
