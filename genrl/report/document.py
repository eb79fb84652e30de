"""What every page has: its frame, the style, and the note of what is missing."""

from collections.abc import Sequence
from importlib import resources

from genrl.report.markup import Markup, element, join

# Nothing is fetched and nothing is run, whatever a run's files hold.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"


def document(title: str, opening: Markup, parts: Sequence[Markup]) -> str:
    """The whole HTML of a page."""
    style = resources.files("genrl.report").joinpath("style.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} – genrl report"),
        element("style", Markup(style)),
    )
    body = element("body", element("main", opening, *parts))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def missing(problems: Sequence[Sequence[str]], labels: Sequence[str]) -> Markup:
    """What the runs lack; nothing where they are whole.

    Args:
        problems: of each run.
        labels: of the runs.
    """
    items = [
        element("li", f"{label}: {problem}" if len(problems) > 1 else problem)
        for label, found in zip(labels, problems, strict=True)
        for problem in found
    ]
    if not items:
        return join("")
    lead = element("p", "Not finished yet, or not complete:")
    return element("div", lead, element("ul", *items), class_="missing", role="note")


def letter(index: int) -> str:
    """A, B, ... for the runs of a page."""
    return chr(ord("A") + index) if index < 26 else f"R{index + 1}"
