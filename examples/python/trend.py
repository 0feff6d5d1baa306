"""By how much a firm's investment grew in a year: the median of all slopes between two years, which no single year can bend."""

from scipy.stats import theilslopes


def fit(group):
    slope, _, low, high = theilslopes(group["invest"], group["year"])
    return {"slope": slope, "low": low, "high": high}
