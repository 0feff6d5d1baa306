"""What a firm invested in each decade, and how that went with its value, with polars."""

import polars as pl
from shoal import context


def fit(group, key, params):
    decades = (
        group.with_columns(decade=pl.col("year") // 10 * 10)
        .group_by("decade")
        .agg(
            years=pl.len().cast(pl.Int64),
            invest=pl.col("invest").mean(),
            correlation=pl.corr("invest", "value"),
        )
        .sort("decade")
    )
    # A correlation of few years says nothing.
    kept = decades.filter(pl.col("years") >= params["years_min"])
    context().counter("decades_left_out").add(decades.height - kept.height)
    return kept
