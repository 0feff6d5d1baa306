"""A function of the user's for each group of a table."""

from .call import group_apply

__all__ = ["group_apply"]
