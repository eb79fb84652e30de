"""Strategies that are refused, processes of clusters, and what is said of a dead one."""

import pytest
from torch import distributed

from genrl.registry import ConfigurationError
from genrl.tasks.launch import (
    LockstepStrategy,
    check_precision,
    check_strategy,
    heard_folder,
    in_lockstep,
    is_lost,
    outer_environment,
)

VARIABLES = ("SLURM_NTASKS", "SLURM_PROCID", "SLURM_JOB_NAME", "TORCHELASTIC_RUN_ID")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("strategy", ["fsdp_cpu_offload", "ddp_spawn", "ddp_notebook"])
def test_what_cannot_be_trained_with_is_refused(strategy: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{strategy} is not supported.*trainer=ddp"):
        check_strategy(strategy)


@pytest.mark.parametrize("strategy", [None, "auto", "ddp_find_unused_parameters_true", "fsdp"])
def test_what_can_be_is_not(strategy: str | None) -> None:
    check_strategy(strategy)


@pytest.mark.parametrize("precision", ["16-mixed", "16-true", "bf16-true", "64-true", 16, 64])
def test_other_precisions_are_refused(precision: object) -> None:
    message = f"trainer.precision={precision} is not supported: give 32-true, or bf16-mixed"
    with pytest.raises(ConfigurationError, match=message):
        check_precision(precision)


@pytest.mark.parametrize("precision", [None, 32, "32-true", "bf16-mixed"])
def test_these_are_not(precision: object) -> None:
    check_precision(precision)


def test_slurm_is_seen_and_does_not_requeue_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outer_environment() is None
    monkeypatch.setenv("SLURM_NTASKS", "1")
    monkeypatch.setenv("SLURM_PROCID", "0")
    environment = outer_environment()
    assert environment is not None
    assert environment.auto_requeue is False  # type: ignore[attr-defined]
    assert heard_folder() is None  # the first process asks nobody


def test_agents_need_no_wrapper() -> None:
    def strategy(**trainer: object) -> object:
        return in_lockstep({"trainer": trainer})["trainer"].get("strategy")

    assert strategy(devices=1, strategy="ddp") is None
    assert strategy(devices="auto") is None
    assert isinstance(strategy(devices=2), LockstepStrategy)
    assert isinstance(strategy(devices=1, num_nodes=2), LockstepStrategy)


def test_agents_are_not_divided() -> None:
    with pytest.raises(ConfigurationError, match=r"networks are small.*trainer=ddp"):
        in_lockstep({"trainer": {"devices": 2, "strategy": "fsdp"}})


def test_a_dead_process_is_told_from_other_errors() -> None:
    assert is_lost(RuntimeError("[../gloo/transport/tcp/pair.cc:561] Connection closed by peer"))
    assert is_lost(distributed.DistBackendError("NCCL communicator was aborted"))
    assert not is_lost(RuntimeError("CUDA out of memory"))
    assert not is_lost(ValueError("Connection closed by peer"))
