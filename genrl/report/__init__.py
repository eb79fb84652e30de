"""The page of a run: one HTML file with everything in it."""

from genrl.report.page import write_report

__all__ = ["write_report"]
