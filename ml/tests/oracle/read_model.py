"""Predicts by stored models, read as docs/model-format.md describes them and by no code of Shoal's.

[{stored, rows, level, columns: [{numbers} or {categories}]}] -> [{values, interval}]
"""

import json
import sys
from collections.abc import Mapping

import cbor2
import numpy as np
from scipy import stats

TYPES = {64: "<u1", 70: "<u4", 86: "<f8"}


def arrays(item):
    """The item with the typed arrays of RFC 8746 in it as arrays."""
    if isinstance(item, cbor2.CBORTag):
        return np.frombuffer(item.value, dtype=TYPES[item.tag])
    if isinstance(item, Mapping):
        return {name: arrays(value) for name, value in item.items()}
    return [arrays(value) for value in item] if isinstance(item, (list, tuple)) else item


def terms(features, columns, rows):
    """The names of the terms and their values, a column each."""
    names, values = [], []
    for feature, column in zip(features, columns):
        name, encode = feature["name"], feature["encode"]
        if encode == "number":
            names.append(name)
            values.append(np.array(column["numbers"], dtype=float))
        elif encode == "oneHot":
            for category in feature["categories"][int(feature["dropFirst"]):]:
                names.append(f"{name}={category}")
                values.append(np.array([float(value == category) for value in column["categories"]]))
        elif encode == "ordinal":
            places = {category: place for place, category in enumerate(feature["categories"])}
            names.append(name)
            values.append(np.array([places.get(value, np.nan) for value in column["categories"]]))
        else:
            sys.exit(f"the encoder {encode} is not one of this reader's")
    return names, np.array(values).T.reshape(rows, len(names))


def leaves(trees, x):
    """The value of the leaf that each row ends in: rows x trees x width."""
    width = len(trees["value"]) // len(trees["feature"])
    value = trees["value"].reshape(-1, width)
    found = np.zeros((len(x), len(trees["roots"]), width))
    for row, of_row in enumerate(x):
        for tree, node in enumerate(trees["roots"]):
            while trees["left"][node] != 0:
                asked = of_row[trees["feature"][node]]
                if np.isnan(asked):
                    goes_left = trees["missingLeft"][node] == 1
                else:
                    goes_left = asked <= trees["threshold"][node]
                node = trees["left"][node] if goes_left else trees["right"][node]
            found[row, tree] = value[node]
    return found


def softmax(sums):
    shares = np.exp(sums - sums.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def two_classes(odds):
    return np.stack([1 / (1 + np.exp(odds)), 1 / (1 + np.exp(-odds))], axis=1)


def linear(model, body, names, x, level):
    x = x[:, [names.index(term) for term in body["terms"]]]
    coefficients = body["coefficients"].reshape(-1, len(body["terms"]))
    constant = body["intercepts"] if len(body["intercepts"]) else 0.0
    eta = x @ coefficients.T + constant
    first = eta[:, 0]
    links = {
        "identity": lambda: first,
        "log": lambda: np.exp(first),
        "inverse": lambda: 1 / first,
        "sqrt": lambda: first**2,
        "probit": lambda: stats.norm.cdf(first),
        "cloglog": lambda: 1 - np.exp(-np.exp(first)),
        "logit": lambda: two_classes(first) if model["classes"] else 1 / (1 + np.exp(-first)),
        "softmax": lambda: softmax(eta),
    }
    values = links[body["link"]]()
    certain = body["uncertainty"]
    if certain is None or level is None:
        return values, None
    if len(body["intercepts"]):
        x = np.column_stack([np.ones(len(x)), x])
    size = x.shape[1]
    gram = np.zeros((size, size))
    gram[np.triu_indices(size)] = certain["inverseGram"]
    gram = gram + np.triu(gram, 1).T
    spread = np.sqrt(1 + np.einsum("ri,ij,rj->r", x, gram, x))
    return values, stats.t.ppf((1 + level) / 2, certain["df"]) * certain["sigma"] * spread


def mean(model, body, rows, level):
    values = np.tile(body["values"], rows)
    if body["sigma"] is None or level is None or model["classes"]:
        return values, None
    count = body["rows"]
    half = stats.t.ppf((1 + level) / 2, count - 1) * body["sigma"] * np.sqrt(1 + 1 / count)
    return values, np.full(rows, half)


def boosting(model, body, x):
    found, baseline = leaves(body["trees"], x), body["baseline"]
    sums = np.stack([b + found[:, k :: len(baseline), 0].sum(axis=1) for k, b in enumerate(baseline)], axis=1)
    if body["loss"] == "poisson":
        return np.exp(sums)
    if body["loss"] != "logLoss":
        return sums
    return two_classes(sums[:, 0]) if len(model["classes"]) == 2 else softmax(sums)


def predict(question):
    with open(question["stored"], "rb") as file:
        model = arrays(cbor2.load(file))
    assert model["format"] == "shoal.model" and model["version"] == 1, model
    body, rows, level = model["model"], question["rows"], question["level"]
    names, x = terms(model["features"], question["columns"], rows)
    half = None
    if model["estimator"] == "mean":
        values, half = mean(model, body, rows, level)
    elif model["estimator"] == "randomForest":
        values = leaves(body["trees"], x).mean(axis=1)
    elif model["estimator"] == "gradientBoosting":
        values = boosting(model, body, x)
    else:
        values, half = linear(model, body, names, x, level)
    interval = None
    if half is not None:
        interval = {"lower": plain(values - half), "upper": plain(values + half)}
    return {"values": plain(values), "interval": interval}


def plain(values):
    """A list in which what is not a number is null, as JSON has it."""
    return [None if np.isnan(value) else float(value) for value in np.ravel(values)]


json.dump([predict(question) for question in json.load(sys.stdin)], sys.stdout)
