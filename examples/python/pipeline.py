"""A pipeline of scikit-learn for one group, and what it predicts for new rows of the group."""

import pickle

from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def fit(group):
    features = group[["value", "capital"]].to_numpy()
    pipeline = make_pipeline(StandardScaler(), Ridge(alpha=0.1)).fit(features, group["invest"])
    return {"score": pipeline.score(features, group["invest"]), "model": pickle.dumps(pipeline)}


def predict(model, group):
    """`model` is what `fit` returned for the group."""
    return pickle.loads(model["model"]).predict(group[["value", "capital"]].to_numpy())
