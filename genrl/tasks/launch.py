"""The processes of one run: started by Lightning, ``torchrun`` or SLURM, connected, watched.

Lightning starts the other processes of a machine by running the command again. ``torchrun`` and
``srun`` start all of them, on several machines too; the first one then tells the others the run's
folder, whose name holds a time. Whoever started them, a process that dies ends the run.
"""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch import distributed
from torch._C._distributed_c10d import TCPStore

from genrl.processes import LostProcessError
from genrl.registry import ConfigurationError

FLOAT32 = (None, 32, "32", "32-true")  # ways to write it as trainer.precision

_GRACE = 3.0  # seconds in which a process may say by itself that another one is gone
_LOOK_EVERY = 1.0

_PARENT = "GENRL_PARENT"  # who started this process as one of several

_held: list[TCPStore] = []  # what the others still read from


def outer_environment() -> ClusterEnvironment | None:
    """``torchrun`` or SLURM, where it has started this process."""
    if TorchElasticEnvironment.detect():
        return TorchElasticEnvironment()
    # Lightning's own requeueing would leave a checkpoint that hides all later ones.
    return SLURMEnvironment(auto_requeue=False) if SLURMEnvironment.detect() else None


def tell_folder(path: Path) -> None:
    """The first process tells the others where the run lies; nothing where it is alone."""
    environment = outer_environment()
    if environment is not None and environment.global_rank() == 0 < environment.world_size() - 1:
        store = _store(environment)
        store.set(_key(), str(path.resolve()))
        _held.append(store)


def heard_folder() -> Path | None:
    """Where the run lies, if this process was started as another than the first of a run.

    Raises:
        ConfigurationError: if the first process does not say it.
    """
    environment = outer_environment()
    if environment is None or environment.global_rank() == 0:
        return None
    try:
        return Path(_store(environment).get(_key()).decode())
    except distributed.DistError as error:
        raise ConfigurationError(
            f"process {environment.global_rank()} did not hear of the run's folder from the first "
            f"one at {environment.main_address}: look at what that one says"
        ) from error


def _key() -> str:
    # An agent of torchrun keeps its store when it starts the processes again.
    return f"genrl/folder/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"


def _store(environment: ClusterEnvironment) -> TCPStore:
    is_agents = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return TCPStore(
        environment.main_address,
        environment.main_port + (0 if is_agents else 1),  # the port itself is for training
        is_master=not is_agents and environment.global_rank() == 0,
        wait_for_workers=False,
    )


class LockstepStrategy(DDPStrategy):
    """Several processes whose module computes the same everywhere, and shares what it shares."""

    def configure_ddp(self) -> None:
        """Nothing is wrapped: algorithms average their gradients themselves."""


def check_strategy(strategy: Any) -> None:
    """Refuse what Lightning knows and a run cannot be trained with.

    Raises:
        ConfigurationError: for other ways to divide weights than ours, and for processes that do
            not begin by the command.
    """
    if strategy in (None, "auto", "fsdp") or not isinstance(strategy, str):
        return
    if not strategy.startswith("ddp") or any(word in strategy for word in ("spawn", "fork", "not")):
        raise ConfigurationError(
            f"trainer.strategy={strategy} is not supported: give ddp_find_unused_parameters_true "
            "(trainer=ddp), ddp, or fsdp (trainer=fsdp), which divides the weights"
        )


def check_precision(precision: Any) -> None:
    """Refuse what Lightning knows and the arithmetic of a run does not go with.

    Raises:
        ConfigurationError: for float16, whose gradients are scaled when they are clipped here, and
            for weights of another type than float32.
    """
    if precision not in (*FLOAT32, "bf16", "bf16-mixed"):
        raise ConfigurationError(
            f"trainer.precision={precision} is not supported: give 32-true, or bf16-mixed, which "
            "has the range of float32 and keeps weights, losses and averages in it"
        )


def in_lockstep(config: dict[str, Any]) -> dict[str, Any]:
    """The config of a run whose module needs no wrapper, on however many processes.

    Raises:
        ConfigurationError: if its weights were to be divided.
    """
    trainer, environment = dict(config["trainer"]), outer_environment()
    if trainer.get("strategy") == "fsdp":
        raise ConfigurationError(
            "trainer.strategy=fsdp is for diffusion runs: an agent's networks are small, and to "
            "divide their weights costs more than it saves; give trainer=ddp"
        )
    is_alone = trainer.get("devices", 1) in (1, "1", "auto") and trainer.get("num_nodes", 1) == 1
    trainer.pop("strategy", None)
    if not is_alone or (environment is not None and environment.world_size() > 1):
        trainer["strategy"] = LockstepStrategy()
    return {**config, "trainer": trainer}


def connect(trainer: Trainer, command: str) -> None:
    """Start the other processes, where that is ours to do, and connect all.

    Args:
        trainer: of the run.
        command: that goes on with the run.
    """
    strategy: Any = trainer.strategy
    if trainer.world_size == 1:
        return
    launcher = strategy.launcher
    if launcher is not None and not strategy.cluster_environment.creates_processes_externally:
        # Not launch(), whose observer kills this process before it can say why.
        os.environ[_PARENT] = str(os.getpid())
        launcher._call_children_scripts()
    _only_note_sigterm(trainer)
    children = list(getattr(launcher, "procs", ()))
    threading.Thread(target=_watch, args=(children, command), daemon=True).start()
    strategy.accelerator.setup_device(strategy.root_device)
    strategy.setup_distributed()


def _only_note_sigterm(trainer: Trainer) -> None:
    """Lightning would send a message from within the handler, between those of an update.

    The processes agree on the end of the next update instead (`CheckpointCallback`).
    """
    connector: Any = trainer._signal_connector

    def note(signum: int, frame: Any) -> None:
        connector.received_sigterm = True

    connector._sigterm_notifier_fn = note


def _watch(children: list[Any], command: str) -> None:
    """End this process when another one of its machine is gone, whatever it is waiting for."""
    parent = 0 if children else int(os.environ.get(_PARENT, 0))
    while True:
        time.sleep(_LOOK_EVERY)
        codes = [child.poll() for child in children]
        failed = [(i + 1, code) for i, code in enumerate(codes) if code]
        if failed:
            (number, code), *_ = failed
            time.sleep(_GRACE)
            _say(str(lost(command, f"process {number} ended with code {code}")))
            for child in children:
                child.kill()
            os._exit(1)  # whatever the main thread waits for
        if parent and os.getppid() != parent:
            time.sleep(_GRACE)
            _say(str(lost(command, "the first one ended")))
            os._exit(1)  # whatever the main thread waits for


def lost(command: str, reason: str) -> LostProcessError:
    """What to say when a process is gone."""
    return LostProcessError(
        f"another process of this run is gone ({reason}); nothing is lost but the updates since "
        f"the last checkpoint: go on with {command}"
    )


def is_lost(error: BaseException) -> bool:
    """Whether an error means that another process no longer answers."""
    if isinstance(error, distributed.DistError):
        return True
    words = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def _say(text: str) -> None:
    print(f"genrl: {text}", file=sys.stderr, flush=True)
