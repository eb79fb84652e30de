"""Rows as a table of text or as JSON."""

import json
import math
from collections.abc import Iterable, Sequence
from itertools import groupby

from genrl.testing.verification.row import Row


def as_text(rows: Sequence[Row]) -> str:
    """One block for each kind, with a column for each figure; reasons below their rows."""
    ordered = sorted(rows, key=lambda row: _first_seen(rows, row.kind))
    blocks = [_block(kind, list(group)) for kind, group in groupby(ordered, lambda row: row.kind)]
    return "\n\n".join([*blocks, summary(rows)])


def as_json(rows: Iterable[Row]) -> str:
    """A list of objects; a figure that is no number is null."""
    plain = [
        {
            "kind": row.kind,
            "subject": row.subject,
            "verdict": row.verdict,
            "reason": row.reason,
            "figures": {k: v if math.isfinite(v) else None for k, v in row.figures.items()},
        }
        for row in rows
    ]
    return json.dumps(plain, indent=1, ensure_ascii=False)


def summary(rows: Sequence[Row]) -> str:
    """How many rows have which verdict."""
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in _VERDICTS}
    told = ", ".join(f"{number} {verdict}" for verdict, number in counts.items() if number)
    return f"{len(rows)} row{'s' if len(rows) != 1 else ''}: {told}"


_VERDICTS = ("green", "red", "impossible")


def _first_seen(rows: Sequence[Row], kind: str) -> int:
    return next(index for index, row in enumerate(rows) if row.kind == kind)


def _block(kind: str, rows: list[Row]) -> str:
    known = dict.fromkeys(key for row in rows for key in row.figures)
    columns = sorted(known, key=lambda key: not key.startswith("error@"))
    titles = [key.replace("error@", "").replace("_", " ") for key in columns]
    title = f"{kind} (error after N evaluations)" if "error@" in "".join(columns) else kind
    width = max(len(title) - 2, *(len(row.subject) for row in rows))
    heads = [max(len(title), 7) for title in titles]
    line = "  ".join(t.rjust(w) for t, w in zip(titles, heads, strict=True))
    lines = [f"{title:<{width + 2}}  {'':<10}  {line}".rstrip()]
    for row in rows:
        cells = [_cell(key, row.figures.get(key)) for key in columns]
        values = "  ".join(c.rjust(w) for c, w in zip(cells, heads, strict=True))
        lines.append(f"  {row.subject:<{width}}  {row.verdict:<10}  {values}".rstrip())
        if row.reason:
            lines.append(f"      {row.reason}")
    return "\n".join(lines)


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return ""
    if "order" in key or key.startswith("log_snr"):
        return f"{value:.2f}" if key != "nominal_order" else f"{value:g}"
    return f"{value:.1e}"
