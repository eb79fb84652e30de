"""Videos inside the page: of each method the seed with the middle score, the others folded."""

import base64
from collections.abc import Sequence

from genrl.report.agents.groups import Group
from genrl.report.agents.reading import AgentRun, Video
from genrl.report.agents.tables import swatch
from genrl.report.markup import Markup, element, folded, join

_MOST_BYTES = 12_000_000  # of all videos on a page


class Budget:
    """Bytes of videos that the page may still take."""

    def __init__(self, most: int = _MOST_BYTES) -> None:
        self.left = most

    def takes(self, video: Video) -> bool:
        """Whether it fits; then it is counted."""
        if video.mp4 is None or len(video.mp4) > self.left:
            return False
        self.left -= len(video.mp4)
        return True


def videos(groups: Sequence[Group], budget: Budget) -> Markup:
    """Of one environment; nothing where no run has any."""
    shown = [(group, run) for group in groups if (run := _middle(group)) is not None]
    if not shown:
        return join("")
    first = [_figure(group, run, budget) for group, run in shown]
    others = [
        _figure(group, run, budget)
        for group, middle in shown
        for run in group.runs
        if run.videos and run is not middle
    ]
    gallery = element("div", *first, class_="pictures videos")
    if not others:
        return gallery
    head = f"other seeds ({len(others)})"
    return join(gallery, folded(head, element("div", *others, class_="pictures videos")))


def _middle(group: Group) -> AgentRun | None:
    """The run with the middle score among those with a video; the best seed would flatter."""
    runs = [run for run in group.runs if run.videos]
    ranked = sorted(runs, key=lambda run: run.final.score if run.final else float("-inf"))
    return ranked[(len(ranked) - 1) // 2] if ranked else None


def _figure(group: Group, run: AgentRun, budget: Budget) -> Markup:
    video = run.videos[-1]
    caption = element(
        "figcaption", swatch(group), element("small", f" seed {run.seed} · {video.caption}")
    )
    if not budget.takes(video):
        note = "" if video.mp4 is None else "Left out, for the page would become too large: "
        where = "" if video.mp4 is None else f"{run.path.name}/videos"
        return element("figure", caption, element("p", note, where) if note else "")
    assert video.mp4 is not None
    source = f"data:video/mp4;base64,{base64.b64encode(video.mp4).decode()}"
    player = element(
        "video",
        src=source,
        controls=True,
        muted=True,
        loop=True,
        playsinline=True,
        preload="metadata",
        aria_label=f"{group.method}, seed {run.seed}",
    )
    return element("figure", caption, player)
