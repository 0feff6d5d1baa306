"""The client of a head: submits jobs, waits for them, reads what they made."""

from .client import Client
from .job import Job
from .status import JobStatus, LogLine, Progress
from .table import Table

__all__ = ["Client", "Job", "JobStatus", "LogLine", "Progress", "Table"]
