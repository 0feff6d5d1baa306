"""Python functions per group on a Shoal cluster."""

from ._context import Context, Counter, context

__all__ = ["Context", "Counter", "context"]
__version__ = "0.1.0"
