"""Python functions per group on a Shoal cluster."""

__version__ = "0.1.0"
