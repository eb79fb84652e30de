"""Several processes that divide the weights of a diffusion model: ``trainer=fsdp``.

In memory and in checkpoints a run is the same as under DDP or in one process: weights, averages
and the optimizer's state are put together when they are stored, and divided when they are read.
"""

from collections.abc import Mapping
from typing import Any

from lightning import Trainer
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.optim import Optimizer

from genrl import processes
from genrl.modules import DiffusionModule
from genrl.networks.magnitude import put_back
from genrl.sharding import divided_like, is_divided, whole


class ShardedStrategy(DDPStrategy):
    """Each process keeps a part of every weight and gradient, of averages and Adam's moments."""

    def configure_ddp(self) -> None:
        """Nothing is wrapped: networks gather their weights themselves."""

    def model_to_device(self) -> None:
        """Divide before moving: no device ever holds more than a block."""
        module: Any = self.lightning_module
        assert isinstance(module, DiffusionModule)
        if not any(is_divided(parameter) for parameter in module.parameters()):
            module.divide(init_device_mesh(self.root_device.type, (self.world_size,)))
        super().model_to_device()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """What networks do to their weights when they are called is lost with the copy."""
        module: Any = self.lightning_module
        put_back(module.denoiser.network)

    def post_backward(self, closure_loss: Tensor) -> None:
        """Networks have averaged the gradients of their parts; others remain."""
        assert self.lightning_module is not None
        parameters = list(self.lightning_module.parameters())
        gradients = [p.grad for p in parameters if p.grad is not None and not is_divided(p)]
        if gradients:
            processes.average_gradients(gradients)

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """As of one process, in the first one."""
        state: dict[str, Any] = whole(super().lightning_module_state_dict())
        return state

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """As of one process, in the first one."""
        found = super().optimizer_state(optimizer)
        places = self._places(optimizer)
        (group, *_) = found["param_groups"]
        return {
            "state": {places[i]: whole(found["state"][i]) for i in sorted(found["state"])},
            "param_groups": [{**group, "params": sorted(places)}],
        }

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Inverse of `optimizer_state`, in every process."""
        (optimizer,), (stored,) = self.optimizers, checkpoint["optimizer_states"]
        places, state = self._places(optimizer), optimizer.state_dict()
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        (hyperparameters,) = stored["param_groups"]
        state["param_groups"] = [
            {**hyperparameters, "params": group["params"]} for group in state["param_groups"]
        ]
        state["state"] = {
            i: {key: _like(value, parameters[i]) for key, value in stored["state"][place].items()}
            for i, place in enumerate(places)
            if place in stored["state"]
        }
        super().load_optimizer_state_dict({"optimizer_states": [state]})

    def _places(self, optimizer: Optimizer) -> list[int]:
        """Where one process' optimizer, which has one group, has this one's parameters."""
        module: Any = self.lightning_module
        number = {id(parameter): i for i, parameter in enumerate(module.trained())}
        return [number[id(p)] for group in optimizer.param_groups for p in group["params"]]


def _like(value: Any, parameter: nn.Parameter) -> Any:
    return divided_like(value, parameter) if isinstance(value, Tensor) else value


def place(trainer: Trainer, module: DiffusionModule) -> None:
    """Move a module to where it will be trained, divided if it will be, before training begins."""
    strategy: Any = trainer.strategy
    if isinstance(strategy, ShardedStrategy):
        strategy.connect(module)
        strategy.model_to_device()
    else:
        module.to(strategy.root_device)
