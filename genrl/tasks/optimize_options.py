"""What the command ``genrl optimize`` may be told."""

from dataclasses import dataclass, field

from genrl.registry import ConfigurationError


@dataclass
class OptimizeOptions:
    """What ``genrl optimize`` takes after the run.

    ``n``, ``times`` belong to the bound; ``updates``, ``batch_size``, ``learning_rate``, ``eta``,
    ``rematerialize`` to ``sampler=ggdm``; ``w``, ``num_samples`` to the samples that are compared.
    ``learning_rate`` is that of 4 steps and falls like 1 / steps.
    """

    grid: str | None = None
    sampler: str | None = None
    steps: list[int] = field(default_factory=lambda: [4, 8, 16, 32])
    stage: str | None = None
    n: int = 256
    times: int = 1000
    updates: int = 100
    batch_size: int = 128
    learning_rate: float = 2e-3
    eta: float = 0.1
    rematerialize: bool = True
    w: float = 0.0
    num_samples: int = 1000
    seed: int = 0
    device: str = "auto"

    def check(self) -> None:
        """Refuse options that make no search.

        Raises:
            ConfigurationError: for the first of them.
        """
        if (self.grid is None) == (self.sampler is None):
            raise ConfigurationError("say what to optimize: grid=dp or sampler=ggdm")
        for name, value, only in (("grid", self.grid, "dp"), ("sampler", self.sampler, "ggdm")):
            if value not in (None, only):
                raise ConfigurationError(f"{name}={value} cannot be optimized: give {name}={only}")
        for name, number, least in (
            ("n", self.n, 2),
            ("times", self.times, 2),
            ("updates", self.updates, 1),
            ("batch_size", self.batch_size, 2),
            ("num_samples", self.num_samples, 8),
            *(("steps", steps, 2) for steps in self.steps),
        ):
            if number < least:
                raise ConfigurationError(f"{name} must be at least {least}, not {number}")
        if self.grid and max(self.steps, default=0) > self.times:
            raise ConfigurationError(
                f"{max(self.steps)} steps need as many times to choose from: give times="
            )
        if not self.learning_rate > 0 or not 0 <= self.eta <= 1:
            raise ConfigurationError("learning_rate must be positive, and eta in [0, 1]")
