"""Fits the model of a job per group with statsmodels or scikit-learn, and predicts by the models that Shoal stored.

usage: models.py CSV KEY CASES

CSV is the input; CASES is JSON, [[MODELS, MODEL, EVALUATE], ...]: the Delta table that a job made of it, the job's `model`,
and its `evaluate` or null. Prints
for each case a list with a row per group: what the libraries say, named as Shoal names it, and under `stored` how the
stored model's predictions for the group's own rows go with theirs: `difference` is the largest one, `fit` and `peer_fit`
are R2 or accuracy.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd
import statsmodels.api as sm
from deltalake import DeltaTable
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn import metrics
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import ElasticNet, ElasticNetCV, LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import LeaveOneGroupOut, TimeSeriesSplit

READER = pathlib.Path(__file__).parents[2] / "ml/tests/oracle/read_model.py"


def design(rows, spec, categories):
    """The columns that a model is fitted to, by the names of their terms."""
    columns = {name: rows[name].to_numpy(float) for name in spec.get("features", [])}
    for column in spec.get("categorical", []):
        name, known = column["column"], categories[column["column"]]
        if column.get("encode", "oneHot") == "ordinal":
            columns[name] = rows[name].map(known.index, na_action="ignore").to_numpy(float)
            continue
        for category in known[1 if column.get("dropFirst", True) else 0 :]:
            columns[f"{name}={category}"] = (rows[name] == category).to_numpy(float)
    values = list(columns.values())
    return list(columns), np.column_stack(values) if values else np.zeros((len(rows), 0))


def target(rows, spec):
    """What is explained: numbers, or texts that are classes."""
    values = rows[spec["target"]]
    return values.to_numpy(float) if pd.api.types.is_numeric_dtype(values) else values.to_numpy(str)


def as_list(said):
    """What is said of each term, as a list of terms."""
    names = {"coefficients": "coefficient", "std_errors": "std_error", "t_values": "t_value", "p_values": "p_value"}
    per_term = {one: said.pop(all_of) for all_of, one in names.items() if all_of in said}
    terms = per_term["coefficient"]
    said["terms"] = [{"term": term} | {one: values[term] for one, values in per_term.items()} for term in terms]
    return said


def by_term(names, values):
    return dict(zip(names, map(float, values)))


def linear(model, spec, x, y, weights):
    model.fit(x, y, sample_weight=weights)
    names = ["intercept"] + spec["features"]
    return {"coefficients": by_term(names, [model.intercept_, *model.coef_])}, model.predict(x)


def least_squares(spec, x, y, weights):
    exog = sm.add_constant(x)
    kind = spec.get("standardErrors", "classical").upper()
    fit = sm.WLS(y, exog, weights=1.0 if weights is None else weights).fit()
    robust = fit if kind == "CLASSICAL" else fit.get_robustcov_results(kind, use_t=True)
    names = ["intercept"] + spec["features"]
    found = {
        "coefficients": by_term(names, fit.params),
        "std_errors": by_term(names, robust.bse),
        "t_values": by_term(names, robust.tvalues),
        "p_values": by_term(names, robust.pvalues),
        "r2": float(fit.rsquared),
        "log_likelihood": float(fit.llf),
    }
    return found, fit.predict(exog)


def logistic(spec, x, y, weights):
    penalty = spec.get("penalty", {"l2": {"c": 1}})
    if "none" in penalty:
        fit = sm.Logit(y, sm.add_constant(x)).fit(disp=0, tol=1e-12)
        names = ["intercept"] + spec["features"]
        found = {
            "coefficients": by_term(names, fit.params),
            "std_errors": by_term(names, fit.bse),
            "z_values": by_term(names, fit.tvalues),
            "p_values": by_term(names, fit.pvalues),
            "pseudo_r2": float(fit.prsquared),
        }
        return found, np.stack([1 - fit.predict(), fit.predict()], axis=1)
    fit = LogisticRegression(C=penalty["l2"]["c"], solver="newton-cholesky", tol=1e-12, max_iter=1000)
    fit.fit(x, y, sample_weight=weights)
    if len(fit.classes_) == 2:
        names = ["intercept"] + spec["features"]
        found = {"coefficients": by_term(names, [fit.intercept_[0], *fit.coef_[0]])}
    else:
        found = {
            "terms": [
                {"class": label if isinstance(label, str) else f"{label:g}", "term": term, "coefficient": float(value)}
                for label, intercept, row in zip(fit.classes_, fit.intercept_, fit.coef_)
                for term, value in zip(["intercept"] + spec["features"], [intercept, *row])
            ]
        }
    return found, fit.predict_proba(x)


def glm(spec, x, y, weights):
    families = {"poisson": sm.families.Poisson, "gamma": sm.families.Gamma, "binomial": sm.families.Binomial}
    links = {"log": "Log", "inverse": "InversePower", "logit": "Logit", "probit": "Probit"}
    link = getattr(sm.families.links, links[spec["link"]])() if "link" in spec else None
    fit = sm.GLM(y, sm.add_constant(x), family=families[spec["family"]](link), freq_weights=weights).fit(tol=1e-12)
    names = ["intercept"] + spec["features"]
    found = {
        "coefficients": by_term(names, fit.params),
        "std_errors": by_term(names, fit.bse),
        "z_values": by_term(names, fit.tvalues),
        "deviance": float(fit.deviance),
        "null_deviance": float(fit.null_deviance),
        "dispersion": float(fit.scale),
    }
    return found, fit.fittedvalues


def trees(number, classes, spec, x, y):
    model = (classes if spec.get("predict") == "class" else number).fit(x, y)
    return {}, model.predict_proba(x) if spec.get("predict") == "class" else model.predict(x)


def by_folds(kind, spec, x, y, weights, splits):
    """The model of the alpha that its folds choose."""
    share = 1.0 if kind == "lasso" else spec.get("l1Ratio", 0.5)
    path = spec["alphas"].get("path", {})
    alphas = spec["alphas"].get("values", path.get("count", 100))
    options = {"eps": path.get("smallest", 1e-3), "tol": 1e-12, "max_iter": 100_000}
    model = ElasticNetCV(l1_ratio=share, alphas=alphas, cv=splits, **options)
    found, predicted = linear(model, spec, x, y, weights)
    return found | {"alpha": float(model.alpha_)}, predicted


def peer(kind, spec, x, y, weights, splits):
    alpha = spec.get("alpha", 1.0)
    precise = {"tol": 1e-14, "max_iter": 100_000}
    if kind == "ols":
        return least_squares(spec, x, y, weights)
    if "alphas" in spec:
        return by_folds(kind, spec, x, y, weights, splits)
    if kind == "ridge":
        return linear(Ridge(alpha=alpha, solver="cholesky"), spec, x, y, weights)
    if kind in ("lasso", "elasticNet"):
        share = 1.0 if kind == "lasso" else spec.get("l1Ratio", 0.5)
        return linear(ElasticNet(alpha=alpha, l1_ratio=share, **precise), spec, x, y, weights)
    if kind == "logistic":
        return logistic(spec, x, y, weights)
    if kind == "glm":
        return glm(spec, x, y, weights)
    if kind == "randomForest":
        return trees(RandomForestRegressor(random_state=0), RandomForestClassifier(random_state=0), spec, x, y)
    if kind == "gradientBoosting":
        learners = HistGradientBoostingRegressor(), HistGradientBoostingClassifier()
        return trees(*learners, spec, x, y)
    mean, sigma = y.mean(), y.std(ddof=1)
    half = stats.t.ppf(0.975, len(y) - 1) * sigma * np.sqrt(1 + 1 / len(y))
    return {"mean": float(mean), "sigma": float(sigma), "half": float(half)}, np.full(len(y), mean)


def learner(kind, spec):
    """What scikit-learn has for a model, not fitted yet."""
    alpha = spec.get("alpha", 1.0)
    if kind == "logistic":
        return LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    return {
        "ols": LinearRegression(),
        "ridge": Ridge(alpha=alpha, solver="cholesky"),
        "lasso": ElasticNet(alpha=alpha, l1_ratio=1.0, tol=1e-14, max_iter=100_000),
        "elasticNet": ElasticNet(alpha=alpha, l1_ratio=spec.get("l1Ratio", 0.5), tol=1e-14, max_iter=100_000),
        "mean": DummyRegressor(),
    }[kind]


def splits_of(evaluate, rows):
    """Which rows of a group test models of which others, by their places."""
    if "time" in evaluate:
        order = np.argsort(rows[evaluate["time"]["column"]].to_numpy(), kind="stable")
        parts = TimeSeriesSplit(evaluate["time"].get("folds", 5)).split(order)
        return [(order[train], order[test]) for train, test in parts]
    return list(LeaveOneGroupOut().split(rows, groups=rows[evaluate["column"]].to_numpy()))


def tested(kind, spec, splits, rows, categories):
    """How models of some rows of a group predict others of it."""
    (_, x), y = design(rows, spec, categories), target(rows, spec)
    x = x if x.shape[1] else np.zeros((len(y), 1))
    actual, predicted = [], []
    for train, test in splits:
        model = learner(kind, spec).fit(x[train], y[train])
        actual.append(y[test])
        predicted.append(model.predict_proba(x[test]) if kind == "logistic" else model.predict(x[test]))
    actual, predicted = np.concatenate(actual), np.concatenate(predicted)
    if kind == "logistic":
        best = np.unique(y)[predicted.argmax(axis=1)]
        return {
            "cv_rows": len(actual),
            "cv_accuracy": float(metrics.accuracy_score(actual, best)),
            "cv_log_loss": float(metrics.log_loss(actual, predicted)),
            "cv_macro_f1": float(metrics.f1_score(actual, best, average="macro")),
            "cv_roc_auc": float(metrics.roc_auc_score(actual, predicted[:, 1])),
        }
    return {
        "cv_rows": len(actual),
        "cv_rmse": float(metrics.root_mean_squared_error(actual, predicted)),
        "cv_mae": float(metrics.mean_absolute_error(actual, predicted)),
        "cv_r2": float(metrics.r2_score(actual, predicted)),
    }


def quality(predicted, y):
    """R2 of numbers, accuracy of classes."""
    if predicted.ndim == 2:
        return float((np.unique(y)[predicted.argmax(axis=1)] == y).mean())
    return float(1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def ask(csv, key, models, model, evaluate):
    [(kind, spec)] = model.items()
    stored = {row[key]: row["model"] for row in DeltaTable(models).to_pyarrow_table().to_pylist()}
    found, questions = [], []
    with tempfile.TemporaryDirectory() as folder:
        table = pd.read_csv(csv).dropna(subset=[spec["target"]])
        named = [column["column"] for column in spec.get("categorical", [])]
        categories = {name: sorted(table[name].dropna().unique()) for name in named}
        for group, rows in table.groupby(key, sort=True):
            (names, x), y = design(rows, spec, categories), target(rows, spec)
            weights = rows[spec["weight"]].to_numpy(float) if "weight" in spec else None
            splits = splits_of(evaluate, rows) if evaluate else None
            said, predicted = peer(kind, spec | {"features": names}, x, y, weights, splits)
            said = as_list(said) if named and "coefficients" in said else said
            file = os.path.join(folder, str(len(found)))
            pathlib.Path(file).write_bytes(stored[group])
            columns = [{"numbers": list(rows[name])} for name in spec.get("features", [])]
            columns += [{"categories": list(rows[name])} for name in named]
            questions.append({"stored": file, "rows": len(y), "level": None, "columns": columns})
            if evaluate and weights is None:
                chosen = {"alpha": said["alpha"]} if "alpha" in said else {}
                said |= tested(kind, spec | chosen, splits, rows, categories)
            found.append((group, said, predicted, y))
        asked = subprocess.run([sys.executable, READER], input=json.dumps(questions), capture_output=True, text=True)
        assert asked.returncode == 0, asked.stderr
    answers = []
    for (group, said, predicted, y), ours in zip(found, json.loads(asked.stdout)):
        ours = np.array(ours["values"]).reshape(predicted.shape)
        how = {
            "difference": float(np.abs(ours - predicted).max()),
            "fit": quality(ours, y),
            "peer_fit": quality(predicted, y),
        }
        answers.append({key: group} | said | {"stored": how})
    return answers


csv, key, cases = sys.argv[1:]
json.dump([ask(csv, key, *case) for case in json.loads(cases)], sys.stdout)
