"""Klaviyo → a destination: streams, slices, pages, rows, checkpoint."""

from clavichord.sync.pull.definition import PullDefinition, load_pull
from clavichord.sync.pull.report import PullReport, StreamReport
from clavichord.sync.pull.run import Pull, PullProgress
from clavichord.sync.pull.sink import SinkError

__all__ = ["Pull", "PullDefinition", "PullProgress", "PullReport", "SinkError", "StreamReport", "load_pull"]
