"""Ordinary least squares for one group, with statsmodels."""

import statsmodels.api as sm


def fit(group, key, params):
    features = sm.add_constant(group[params["features"]])
    result = sm.OLS(group[params["target"]], features).fit()
    coefficients = {"intercept" if name == "const" else name: slope for name, slope in result.params.items()}
    return {**coefficients, "r2": result.rsquared, "rows": int(result.nobs)}
