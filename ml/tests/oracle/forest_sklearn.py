"""Grows trees with scikit-learn: {x, y, x_test, task, options, single} -> {predictions, trees, oob}.

A single tree sees all rows and all features.
"""

import json
import sys

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor


def preorder(tree):
    """One tree's nodes: what it asks or what it answers, each before its left side, and that before its right."""
    found, todo = [], [0]
    while todo:
        node = todo.pop()
        if tree.children_left[node] < 0:
            found.append({"value": tree.value[node].ravel().tolist()})
            continue
        found.append({
            "feature": int(tree.feature[node]),
            "threshold": float(tree.threshold[node]),
            "missing_left": bool(tree.missing_go_to_left[node]),
        })
        todo += [int(tree.children_right[node]), int(tree.children_left[node])]
    return found


question = json.load(sys.stdin)
x, x_test = (np.array(question[name], dtype=float).T for name in ("x", "x_test"))
y, options = np.array(question["y"]), question["options"]
classes = question["task"] == "classes"
if question["single"]:
    kind = DecisionTreeClassifier if classes else DecisionTreeRegressor
    model = kind(random_state=0, **options).fit(x, y)
    trees, oob = [preorder(model.tree_)], None
else:
    kind = RandomForestClassifier if classes else RandomForestRegressor
    model = kind(random_state=0, oob_score=True, **options).fit(x, y)
    trees, oob = [], model.oob_score_
predictions = model.predict_proba(x_test) if classes else model.predict(x_test)
json.dump({"predictions": predictions.ravel().tolist(), "trees": trees, "oob": oob}, sys.stdout)
