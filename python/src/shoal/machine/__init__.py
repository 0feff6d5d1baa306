"""A cluster of this process on this machine."""

from .cluster import local, stop_local

__all__ = ["local", "stop_local"]
