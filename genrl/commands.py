"""What each word of the command line does with its arguments; the work is in ``tasks``."""

import argparse
import contextlib
import io
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, get_args, get_origin, get_type_hints

import hydra
import yaml
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import TaskFunction
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from genrl.complaints import check_words, explain
from genrl.config import compose, plain, register_configs, root_config
from genrl.endings import TERMINATED
from genrl.files import write_text
from genrl.listing import describe_all, describe_component, describe_kind
from genrl.options import config_names
from genrl.registry import ConfigurationError, plain_reason, suggest
from genrl.sweeps import JobRecord, SweepCallback, is_sweep, records, resume_words, runs, sweep_job
from genrl.sweeps import register as register_sweeper


def train(words: list[str]) -> int:
    """Compose the config with Hydra, then train in Hydra's output folder, or run a sweep's jobs."""
    if any(word.startswith("experiment=") for word in words):
        raise ConfigurationError("write +experiment=... (with the plus)")
    register_configs()
    register_sweeper()
    flags = _check_flags(words)
    check_words(words, config_names())
    if flags.multirun or "hydra.mode=MULTIRUN" in words:
        with _told_how_to_go_on():
            _call_hydra(words, sweep_job)
        return _end_of_sweep()

    failures: list[Exception] = []
    original = sys.argv

    def job(config: DictConfig) -> None:
        # Hydra reads sys.argv; Lightning's DDP launcher runs it again: give it back.
        sys.argv = original
        from genrl.modules import DivergenceError
        from genrl.tasks.launch import tell_folder
        from genrl.tasks.train import train as train_task

        path = Path(HydraConfig.get().runtime.output_dir)
        tell_folder(path)
        try:
            folder = train_task(plain(config), path)
        except (ConfigurationError, DivergenceError) as error:
            # Hydra would print a traceback of its own.
            failures.append(error)
            _remove_traces(path)
        else:
            _done(folder.path, folder.report)

    _call_hydra(words + _told_by_the_first_process(), job)
    if failures:
        raise failures[0]
    return 0


def _call_hydra(words: list[str], task: TaskFunction) -> None:
    """Hydra composes and calls the task; its complaints become ours."""
    original = sys.argv
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv = [original[0], *words]
    try:
        root = root_config(words)
        hydra.main(version_base="1.3", config_path="pkg://genrl.conf", config_name=root)(task)()
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigurationError(explain(error, config_names())) from error
    finally:
        sys.argv = original
        GlobalHydra.instance().clear()


@contextlib.contextmanager
def _told_how_to_go_on() -> Iterator[None]:
    """SIGTERM and Ctrl-C end a sweep as they end a run: the job that runs writes its checkpoint."""

    def stop(signal_number: int, frame: FrameType | None) -> None:
        raise SystemExit(TERMINATED)

    SweepCallback.forget()
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        if SweepCallback.folder is not None:
            line = f"the sweep is interrupted; go on with: genrl resume {SweepCallback.folder}"
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(line) from error
            print(f"genrl: {line}", file=sys.stderr)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _end_of_sweep() -> int:
    """Say which jobs failed; the exit code of the first one."""
    path = SweepCallback.folder
    if path is None:  # only the config was printed
        return 0
    count = len(records(path))
    failed = _unfinished(path)
    if len(failed) < count:
        print(f"compare them: genrl report {path}", flush=True)
    if not failed:
        return 0
    print(
        f"genrl: {len(failed)} of {count} jobs failed; try them again: genrl resume {path}",
        file=sys.stderr,
    )
    return max(failed[0].exit_code or 1, 1)


def _unfinished(path: Path) -> list[JobRecord]:
    """The jobs of a sweep that failed or were interrupted, which are named."""
    failed = {job: record for job, record in records(path).items() if not record.is_finished}
    for job, record in failed.items():
        print(f"genrl: {job}: {record.reason or 'it has not ended'}", file=sys.stderr)
    return list(failed.values())


def _done(path: Path, report: Path) -> None:
    """One of several processes says it for all."""
    from genrl import processes

    if processes.rank() == 0:
        print(f"done: {path}\nopen {report}", flush=True)


def _told_by_the_first_process() -> list[str]:
    """Where several processes were started together, the others write into the folder of one."""
    if not {"TORCHELASTIC_RUN_ID", "SLURM_NTASKS"} & set(os.environ):
        return []
    from genrl.tasks.launch import heard_folder

    path = heard_folder()
    quoted = str(path).replace("'", "\\'")
    return [] if path is None else [f"hydra.run.dir='{quoted}'", "hydra.output_subdir=null"]


def _remove_traces(path: Path) -> None:
    """Hydra's own files where no run came to be: a folder without a run only confuses."""
    if (path / "config.yaml").exists() or int(os.environ.get("RANK", 0)):
        return
    shutil.rmtree(path / ".hydra", ignore_errors=True)
    (path / "genrl.log").unlink(missing_ok=True)
    here = Path.cwd()
    for folder in (path, *path.parents):
        is_ours = folder == path or here in folder.parents
        if not is_ours or not folder.is_dir() or any(folder.iterdir()):
            break
        folder.rmdir()


def _check_flags(words: Sequence[str]) -> argparse.Namespace:
    """Hydra's own parser would print its usage, of a program that nobody called."""
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            flags = get_args_parser().parse_args(words)
    except SystemExit as error:
        if not error.code:
            raise
        reason = complaint.getvalue().splitlines()[-1].partition("error: ")[2]
        raise ConfigurationError(f"{reason} (genrl train --help shows examples)") from error
    if flags.experimental_rerun:
        raise ConfigurationError("--experimental-rerun reads a pickle, which could run code")
    return flags


def resume(words: list[str]) -> int:
    """Go on with a run, or with every job of a sweep."""
    devices = [word for word in words if "=" in word]
    (path,) = _paths([word for word in words if "=" not in word], 1, "genrl resume RUN")
    if is_sweep(path):
        if devices:
            raise ConfigurationError(f"a sweep goes on as it began: leave out {devices[0]}")
        return train(resume_words(path))
    from genrl.tasks.train import resume as resume_task

    folder = resume_task(path, dict(word.split("=", 1) for word in devices))
    _done(folder.path, folder.report)
    return 0


def sample(words: list[str]) -> None:
    """Draw samples."""
    from genrl.tasks.components import SAMPLING_KINDS
    from genrl.tasks.sample import SampleOptions
    from genrl.tasks.sample import sample as sample_task

    usage = "genrl sample RUN [n= steps= w= stage= guidance= sampler=]"
    paths, options = _split(words, SampleOptions, usage, SAMPLING_KINDS)
    for path in sample_task(paths[0], options):
        print(path)


def ema(words: list[str]) -> None:
    """Make averages after training."""
    from genrl.tasks.ema import EmaOptions
    from genrl.tasks.ema import ema as ema_task

    paths, options = _split(words, EmaOptions, "genrl ema RUN [sigma_rel=] [stage=]")
    for line in ema_task(paths[0], options):
        print(line)


def collect(words: list[str]) -> None:
    """Record demonstrations."""
    from genrl.tasks.collect import CollectOptions
    from genrl.tasks.collect import collect as collect_task

    paths, options = _split(words, CollectOptions, "genrl collect RUN [episodes= out= seed=]")

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
    paths, options = _split(words, ExportOptions, "genrl export RUN --to diffusers [stage= out=]")
    print(export_task(paths[0], options))


def evaluate(words: list[str]) -> None:
    """Measure the stages of a run."""
    from genrl.tasks.components import SAMPLING_KINDS
    from genrl.tasks.evaluate import EvaluateOptions
    from genrl.tasks.evaluate import evaluate as evaluate_task

    words = ["likelihood=true" if word == "--likelihood" else word for word in words]
    usage = "genrl evaluate RUN [n= w= stage= guidance= sampler= grid=] [--likelihood]"
    paths, options = _split(words, EvaluateOptions, usage, SAMPLING_KINDS)
    print(evaluate_task(paths[0], options))


def optimize(words: list[str]) -> None:
    """Better few-step sampling of a trained model."""
    from genrl.tasks.optimize import OptimizeOptions
    from genrl.tasks.optimize import optimize as optimize_task

    usage = "genrl optimize RUN grid=dp|sampler=ggdm [steps=4,8,16,32]"
    paths, options = _split(words, OptimizeOptions, usage)
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
        _unfinished(path)
    default = RunFolder(paths[0]).report if len(paths) == 1 else Path("report.html")
    out = Path(outs[-1]) if outs else default
    print(write_report([folder.path for folder in folders], out))


def verify(words: list[str]) -> int:
    """Prove a composed stack, or everything; 1 where something is red."""
    out, is_all, overrides = _verify_words(words)
    # Before genrl.testing is imported: a misspelt override should not wait for it.
    config = None if is_all else compose(overrides)
    from genrl.testing.verification import as_json, as_text, rows_of_matrix, rows_of_stack, summary

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


def _paths(words: Sequence[str], count: int, usage: str) -> list[Path]:
    if len(words) != count:
        raise ConfigurationError(f"usage: {usage}")
    return [Path(word) for word in words]


def _split(
    words: Sequence[str], schema: type[Any], usage: str, kinds: Sequence[str] = ()
) -> tuple[list[Path], Any]:
    """Paths and the typed options of a command.

    Args:
        words: after the command.
        schema: dataclass of its options.
        usage: for a complaint.
        kinds: of components, of which ``kind=name`` and ``kind.parameter=value`` are gathered in
            the option ``components``.

    Raises:
        ConfigurationError: on a wrong number of paths, or an option of the wrong name or type.
    """
    paths = [Path(word) for word in words if "=" not in word]
    if len(paths) != 1:
        raise ConfigurationError(f"usage: {usage}")
    from omegaconf import OmegaConf

    options = OmegaConf.structured(schema)
    known = [*(name for name in schema.__dataclass_fields__ if name != "components"), *kinds]
    components: dict[str, dict[str, Any]] = {}
    for word in words:
        if "=" not in word:
            continue
        key, _, value = word.partition("=")
        kind, _, parameter = key.partition(".")
        if key not in known and kind not in kinds:
            raise ConfigurationError(
                f"there is no option '{key}'.{suggest(key, known)} Options: {', '.join(known)}"
            )
        try:
            parsed = _value(value)
            if kind in kinds:
                components.setdefault(kind, {})[parameter or "name"] = parsed
                continue
            if _takes_list(schema, key) and not isinstance(parsed, list | None):
                parsed = [_value(part) for part in value.split(",")]
            options[key] = parsed
        except (OmegaConfBaseException, yaml.YAMLError, ValueError, RecursionError) as error:
            raise ConfigurationError(f"{plain_reason(error)} (option '{key}')") from error
    if kinds:
        options.components = components
    return paths, OmegaConf.to_object(options)


def _value(text: str) -> Any:
    """A value as YAML writes it; an alias, by which it could hold itself, is refused."""
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
        raise ValueError("a value cannot refer to another")
    return yaml.safe_load(text)


def _takes_list(schema: type[Any], key: str) -> bool:
    annotation = get_type_hints(schema)[key]
    return any(get_origin(option) is list for option in (annotation, *get_args(annotation)))
