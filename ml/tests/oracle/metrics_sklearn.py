"""Metrics of scikit-learn: {target, prediction, classes: {actual, predicted, probabilities}, auc: {positive, score}}."""

import json
import sys

import numpy as np
from sklearn import metrics

question = json.load(sys.stdin)
target, prediction = (np.array(question[name], dtype=float) for name in ("target", "prediction"))
apart = target != 0
relative = np.abs((target[apart] - prediction[apart]) / target[apart])
of = question["classes"]
labels = list(range(len(of["probabilities"][0])))
precision, recall, f1, _ = metrics.precision_recall_fscore_support(
    of["actual"], of["predicted"], labels=labels, zero_division=np.nan
)
answer = {
    "mse": metrics.mean_squared_error(target, prediction),
    "rmse": metrics.root_mean_squared_error(target, prediction),
    "mae": metrics.mean_absolute_error(target, prediction),
    "r2": metrics.r2_score(target, prediction),
    "mape": metrics.mean_absolute_percentage_error(target[apart], prediction[apart]),
    "median_ape": float(np.median(relative)),
    "accuracy": metrics.accuracy_score(of["actual"], of["predicted"]),
    "precision": precision.tolist(),
    "recall": recall.tolist(),
    "f1": f1.tolist(),
    "macro_f1": metrics.f1_score(of["actual"], of["predicted"], average="macro"),
    "log_loss": metrics.log_loss(of["actual"], of["probabilities"], labels=labels),
    "auc": metrics.roc_auc_score(question["auc"]["positive"], question["auc"]["score"]),
}
json.dump(answer, sys.stdout)
