"""The slope of y on x1 per group, for each kind of frame: what Shoal calls, and what the plain loops beside it call."""


def with_numpy(group):
    x, y = group["x1"], group["y"]
    x = x - x.mean()
    return {"slope": float(x @ y / (x @ x)), "rows": len(x)}


def with_arrow(group):
    x, y = group["x1"].to_numpy(), group["y"].to_numpy()
    x = x - x.mean()
    return {"slope": float(x @ y / (x @ x)), "rows": len(x)}


def with_pandas(group):
    x, y = group["x1"], group["y"]
    x = x - x.mean()
    return {"slope": float((x * y).sum() / (x * x).sum()), "rows": len(group)}
