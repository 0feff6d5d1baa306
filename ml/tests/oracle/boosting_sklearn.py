"""Boosts with scikit-learn's HistGradientBoosting: {x, y, x_test, task, options} -> {predictions, trees}."""

import json
import sys

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor


def preorder(nodes):
    """One tree's nodes: what it asks or what it answers, each before its left side, and that before its right."""
    found, todo = [], [0]
    while todo:
        node = nodes[todo.pop()]
        if node["is_leaf"]:
            found.append({"value": [float(node["value"])]})
            continue
        threshold = float(node["num_threshold"])
        found.append({
            "feature": int(node["feature_idx"]),
            "threshold": threshold if np.isfinite(threshold) else None,
            "missing_left": bool(node["missing_go_to_left"]),
        })
        todo += [int(node["right"]), int(node["left"])]
    return found


question = json.load(sys.stdin)
x, x_test = (np.array(question[name], dtype=float).T for name in ("x", "x_test"))
y, options = np.array(question["y"]), question["options"]
if question["task"] == "classes":
    model = HistGradientBoostingClassifier(early_stopping=False, **options).fit(x, y)
    predictions = model.predict_proba(x_test)
else:
    model = HistGradientBoostingRegressor(early_stopping=False, loss=question["task"], **options).fit(x, y)
    predictions = model.predict(x_test)
trees = [preorder(tree.nodes) for stage in model._predictors for tree in stage]
json.dump({"predictions": predictions.ravel().tolist(), "trees": trees}, sys.stdout)
