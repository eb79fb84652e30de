"""What ``genrl verify`` proves: the rows of one composed config, or of all that is registered."""

from genrl.testing.verification.matrix import rows_of_matrix
from genrl.testing.verification.row import Row
from genrl.testing.verification.stack import rows_of_stack
from genrl.testing.verification.table import as_json, as_text, summary

__all__ = ["Row", "as_json", "as_text", "rows_of_matrix", "rows_of_stack", "summary"]
