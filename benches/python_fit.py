"""The slope of y on x1 per group, out of each kind of frame: what Shoal calls, and what the plain loops beside it call."""


def slope(x, y):
    x = x - x.mean()
    return {"slope": float(x @ y / (x @ x)), "rows": len(x)}


def with_numpy(group):
    return slope(group["x1"], group["y"])


def with_arrow(group):
    return slope(group["x1"].to_numpy(), group["y"].to_numpy())


def with_pandas(group):
    return slope(group["x1"].to_numpy(), group["y"].to_numpy())
