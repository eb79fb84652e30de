"""The sections of the page, in its order; each returns nothing where there is nothing to show."""

from collections.abc import Callable, Sequence

from genrl.report.agents.charts import learning_charts, metric_chart
from genrl.report.agents.groups import Group, by_env
from genrl.report.agents.tables import across_envs, improvements, results
from genrl.report.agents.videos import Budget, videos
from genrl.report.agents.words import REWARD, TRAINING
from genrl.report.markup import Markup, element, folded, join
from genrl.report.sections import section

_OPEN = ("episode_return", "episode_length")  # training metrics that are shown unfolded
_AXES = {"update", "env_steps", "gradient_steps", "learning_rate"}


def result(groups: Sequence[Group]) -> Markup:
    """What came out."""
    if not any(group.evaluated for group in groups):
        return section("Results", element("p", "Nothing has been evaluated yet."))
    text = (
        "A seed’s score is the mean return over the episodes of its last evaluation. Several "
        "seeds: interquartile mean over the seeds, with the 95 % interval of a stratified "
        "bootstrap that resamples seeds, never episodes. One seed: interquartile mean over its "
        "episodes, and an interval that speaks of this one policy alone."
    )
    counts = [len(group.scores) for group in groups if group.result is not None]
    if any(1 < count < 4 for count in counts):
        text += (
            " With 3 seeds or fewer such an interval reaches from the worst to the best and covers "
            "the truth in 3 of 4 cases at most, not in 95 %: read it as a range."
        )
    body = _each_env(groups, lambda found: join(results(found), improvements(found)))
    overall = across_envs(groups)
    if overall:
        note = "Scores divided by the expert’s return, over all environments together."
        body = join(body, element("h3", "All environments"), element("p", note), overall)
    return section("Results", element("p", text), body)


def learning(groups: Sequence[Group]) -> Markup:
    """Learning curves."""
    body = _each_env(groups, learning_charts)
    if not body:
        body = element("p", "Not there yet: evaluations.jsonl is written during training.")
    text = (
        "Return of the evaluated policy. Lines: interquartile means over seeds; bands: 95 % "
        "intervals, of the seeds where there are several, else of the episodes. A curve ends where "
        "the shortest run of its method does. Seconds are those of training, evaluations left out, "
        "on the machine of the run."
    )
    return section("Learning curves", element("p", text), body)


def films(groups: Sequence[Group]) -> Markup:
    """Videos of the final policies."""
    budget = Budget()
    body = _each_env(groups, lambda found: videos(found, budget))
    if not body:
        return join("")
    text = "The final policy from a state of its evaluation; of several seeds the middle one."
    return section("Videos", element("p", text), body)


def rewards(groups: Sequence[Group]) -> Markup:
    """What the learned rewards are worth."""
    learners = [group for group in groups if group.runs[0].imitation_loss is not None]

    def charts(found: Sequence[Group]) -> Markup:
        drawn = [metric_chart(found, m.key, m.head.capitalize(), m.meaning) for m in REWARD]
        kept = [chart for chart in drawn if chart]
        return element("div", *kept, class_="charts pairs") if kept else join("")

    body = _each_env(learners, charts)
    if not body:
        return join("")
    text = (
        "Measured against the environment’s own reward, which the agent does not see. Lines: means "
        "over seeds; bands: from the least to the greatest."
    )
    return section("Learned reward", element("p", text), body)


def training(groups: Sequence[Group]) -> Markup:
    """All other metrics."""
    known = {metric.key for metric in REWARD} | _AXES
    logged = dict.fromkeys(
        name for group in groups for run in group.runs for row in run.metrics for name in row
    )
    names = [name for name in logged if name not in known]
    if not names:
        none = "Not there yet: metrics.csv is written during training."
        return section("Training", element("p", none))

    def charts(found: Sequence[Group]) -> Markup:
        opened = _grid(found, [name for name in _OPEN if name in names])
        others = _grid(found, [name for name in names if name not in _OPEN])
        return join(opened, folded("all other metrics", others) if others else "")

    text = "Lines: means over seeds; bands: from the least to the greatest."
    return section("Training", element("p", text), _each_env(groups, charts))


def _grid(groups: Sequence[Group], names: Sequence[str]) -> Markup:
    drawn = [
        metric_chart(groups, name, name.replace("_", " ").capitalize(), TRAINING.get(name, ""))
        for name in names
    ]
    kept = [chart for chart in drawn if chart]
    return element("div", *kept, class_="charts pairs") if kept else join("")


def _each_env(groups: Sequence[Group], body: Callable[[Sequence[Group]], Markup]) -> Markup:
    """A part for each environment, under its name where there are several."""
    parts = [(env, body(found)) for env, found in by_env(groups).items()]
    if len(parts) == 1:
        return parts[0][1]
    return join(*(join(element("h3", env), part) for env, part in parts if part))
