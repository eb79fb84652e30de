"""HTML and SVG elements whose text is escaped unless it was made here."""

import html


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: str | float | bool | None) -> Markup:
    """``<tag attributes>children</tag>``.

    Args:
        tag: name of the element.
        children: `Markup` goes in as it is, any other text is escaped.
        attributes: ``class_`` is class, ``data_x`` is data-x; True writes the name alone, None and
            False leave the attribute out.
    """
    text = "".join(_attribute(key, value) for key, value in attributes.items())
    if tag in {"br", "img", "meta"}:
        return Markup(f"<{tag}{text}>")
    return Markup(f"<{tag}{text}>{join(*children)}</{tag}>")


def join(*parts: str) -> Markup:
    """Parts one after the other, escaped where they are plain text."""
    return Markup("".join(p if isinstance(p, Markup) else _escaped(p) for p in parts))


def folded(head: str, body: Markup) -> Markup:
    """A part that opens on a click."""
    return element("details", element("summary", head), body)


def _attribute(key: str, value: str | float | bool | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    text = f"{round(value, 2):g}" if isinstance(value, float) else str(value)
    return f' {name}="{_escaped(text)}"'


def _escaped(text: str) -> str:
    # YAML, JSON and names of files can hold halves of characters, which no page can.
    return html.escape(text.encode(errors="replace").decode())
