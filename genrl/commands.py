"""What each word of the command line does with its arguments; the work is in ``tasks``."""

import sys
from collections.abc import Sequence
from pathlib import Path

from genrl.config import compose
from genrl.files import write_text
from genrl.listing import describe_all, describe_component, describe_kind
from genrl.registry import ConfigurationError
from genrl.sweeps import is_sweep, runs
from genrl.training import unfinished
from genrl.words import split


def sample(words: list[str]) -> None:
    """Draw samples."""
    from genrl.tasks.components import SAMPLING_KINDS
    from genrl.tasks.sample import SampleOptions
    from genrl.tasks.sample import sample as sample_task

    usage = "genrl sample RUN [n= steps= w= stage= guidance= sampler=]"
    paths, options = split(words, SampleOptions, usage, SAMPLING_KINDS)
    for path in sample_task(paths[0], options):
        print(path)


def ema(words: list[str]) -> None:
    """Make averages after training."""
    from genrl.tasks.ema import EmaOptions
    from genrl.tasks.ema import ema as ema_task

    paths, options = split(words, EmaOptions, "genrl ema RUN [sigma_rel=] [stage=]")
    for line in ema_task(paths[0], options):
        print(line)


def collect(words: list[str]) -> None:
    """Record demonstrations."""
    from genrl.tasks.collect import CollectOptions
    from genrl.tasks.collect import collect as collect_task

    paths, options = split(words, CollectOptions, "genrl collect RUN [episodes= out= seed=]")

    def tell(count: int) -> None:
        print(f"recorded {count} of {options.episodes} episodes", flush=True)

    found = collect_task(paths[0], options, tell)
    mean = sum(found.returns) / len(found.returns)
    print(
        f"{found.path}\nmean return {mean:.1f} "
        f"(from {min(found.returns):.1f} to {max(found.returns):.1f})"
    )


def export(words: list[str]) -> None:
    """Write a stage in another library's form."""
    from genrl.tasks.export import ExportOptions
    from genrl.tasks.export import export as export_task

    words = [word.removeprefix("--") if word.startswith("--to=") else word for word in words]
    if "--to" in words[:-1]:
        index = words.index("--to")
        words[index : index + 2] = [f"to={words[index + 1]}"]
    paths, options = split(words, ExportOptions, "genrl export RUN --to diffusers [stage= out=]")
    print(export_task(paths[0], options))


def evaluate(words: list[str]) -> None:
    """Measure the stages of a run."""
    from genrl.tasks.components import SAMPLING_KINDS
    from genrl.tasks.evaluate import EvaluateOptions
    from genrl.tasks.evaluate import evaluate as evaluate_task

    words = ["likelihood=true" if word == "--likelihood" else word for word in words]
    usage = "genrl evaluate RUN [n= w= stage= guidance= sampler= grid=] [--likelihood]"
    paths, options = split(words, EvaluateOptions, usage, SAMPLING_KINDS)
    print(evaluate_task(paths[0], options))


def optimize(words: list[str]) -> None:
    """Better few-step sampling of a trained model."""
    from genrl.tasks.optimize import optimize as optimize_task
    from genrl.tasks.optimize_options import OptimizeOptions

    usage = "genrl optimize RUN grid=dp|sampler=ggdm [steps=4,8,16,32]"
    paths, options = split(words, OptimizeOptions, usage)
    for path in optimize_task(paths[0], options, lambda text: print(text, flush=True)):
        print(path)


def report(words: list[str]) -> None:
    """Write the page of one run, or of several; a sweep stands for its runs."""
    outs = [word.removeprefix("out=") for word in words if word.startswith("out=")]
    paths = [Path(word) for word in words if not word.startswith("out=")]
    if not paths:
        raise ConfigurationError("usage: genrl report RUN [RUN ...] [out=FILE]")
    from genrl.report import write_report
    from genrl.run_folder import RunFolder

    folders = [RunFolder.open(run) for path in paths for run in runs(path)]
    for path in filter(is_sweep, paths):
        unfinished(path)
    default = RunFolder(paths[0]).report if len(paths) == 1 else Path("report.html")
    out = Path(outs[-1]) if outs else default
    print(write_report([folder.path for folder in folders], out))


def verify(words: list[str]) -> int:
    """Prove a composed stack, or everything; 1 where something is red."""
    out, is_all, overrides = _verify_words(words)
    # Before genrl.testing is imported: a misspelt override should not wait for it.
    config = None if is_all else compose(overrides)
    import torch

    from genrl.testing.verification import as_json, as_text, rows_of_matrix, rows_of_stack, summary

    # The data is small: a second thread gains nothing, and beside another program costs minutes.
    torch.set_num_threads(1)
    rows = []
    for row in rows_of_matrix() if config is None else rows_of_stack(config):
        rows.append(row)
        if sys.stderr.isatty():
            print(f"\r\x1b[K{len(rows)} {row.kind} {row.subject}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    if out is not None:
        write_text(out, (as_json(rows) if out.suffix == ".json" else as_text(rows)) + "\n")
    print(as_text(rows) if out is None or not is_all else f"{out}\n{summary(rows)}")
    red = [row for row in rows if row.verdict == "red"]
    for row in red[:1]:
        more = f" (and {len(red) - 1} more)" if len(red) > 1 else ""
        print(f"genrl: red: {row.kind} {row.subject}: {row.reason}{more}", file=sys.stderr)
    return 1 if red else 0


def _verify_words(words: Sequence[str]) -> tuple[Path | None, bool, list[str]]:
    """The file, whether everything is proved, and the overrides."""
    left, out, is_all = list(words), None, False
    overrides = []
    while left:
        word = left.pop(0)
        if word == "--all":
            is_all = True
        elif word == "--out" or word.startswith("--out="):
            value = word.partition("=")[2] if "=" in word else (left.pop(0) if left else "")
            if not value:
                raise ConfigurationError("--out needs the name of a file")
            out = Path(value)
        elif word.startswith("-"):
            raise ConfigurationError(
                f"genrl verify knows no option '{word}'. Options: --all, --out FILE"
            )
        else:
            overrides.append(word)
    if is_all and overrides:
        raise ConfigurationError("--all proves everything that is registered: leave overrides out")
    return out, is_all, overrides


def new_plugin(words: list[str]) -> None:
    """Write a package with a component."""
    from genrl.new_plugin import new_plugin as write_plugin

    usage = "genrl new-plugin NAME [--kind KIND] [--out FOLDER]"
    names, options = [], {"--kind": "sampler", "--out": ""}
    left = list(words)
    while left:
        word = left.pop(0)
        key, equals, value = word.partition("=")
        if key in options:
            options[key] = value if equals else (left.pop(0) if left else "")
            if not options[key]:
                raise ConfigurationError(f"{key} needs a value: {usage}")
        else:
            names.append(word)
    if len(names) != 1 or names[0].startswith("-"):
        raise ConfigurationError(f"usage: {usage}")
    for line in write_plugin(names[0], options["--kind"], Path(options["--out"] or names[0])):
        print(line)


def plan(words: list[str]) -> None:
    """What a run takes, before it is begun."""
    found = [word.removeprefix("classes=") for word in words if word.startswith("classes=")]
    if not all(number.isdigit() and int(number) for number in found):
        raise ConfigurationError(f"classes must be a positive integer, not {found[0]}")
    config = compose([word for word in words if not word.startswith("classes=")])
    from genrl.tasks.plan import plan as plan_task
    from genrl.tasks.plan_table import plan_table

    print(plan_table(plan_task(config, num_classes=int(found[-1]) if found else None)))


def list_components(words: list[str]) -> None:
    """Names of components, by kind or of one kind."""
    if len(words) > 1:
        raise ConfigurationError("usage: genrl list [KIND]")
    print(describe_kind(words[0]) if words else describe_all())


def show_component(words: list[str]) -> None:
    """Everything about one component."""
    if len(words) != 1:
        raise ConfigurationError(
            "usage: genrl show KIND.NAME, for example: genrl show sampler.ddim"
        )
    print(describe_component(words[0]))
