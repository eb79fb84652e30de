"""Learns a sampler for a trained model by the gradient of sample quality through the sampler.

The coefficients of `GgdmCoefficients` begin at DDIM's and go down the kernel distance between
samples and data. Watson et al. 2022, Learning Fast Samplers for Diffusion Models by Differentiating
Through Sample Quality, section 4.
"""

from collections.abc import Callable

import torch

from genrl.diffusion import UniformTimeGrid
from genrl.diffusion.drawing import SampleDrawer
from genrl.diffusion.ggdm import GgdmCoefficients, ddim_coefficients, ggdm_sample
from genrl.evaluation.evaluator import Evaluator
from genrl.evaluation.kernel_distance import kernel_distance
from genrl.tasks.optimize_options import OptimizeOptions

_MOST_REAL = 5000
_FEW_STEPS = 4
_SAY_EVERY = 50


def learn_coefficients(
    drawer: SampleDrawer,
    evaluator: Evaluator,
    options: OptimizeOptions,
    steps: int,
    device: torch.device,
    say: Callable[[str], None],
) -> GgdmCoefficients:
    """The coefficients of a sampler of so many evaluations.

    Args:
        drawer: of the model, whose weights need no gradient.
        evaluator: whose features of the training data the samples are compared with.
        options: those of ``sampler=ggdm``.
        steps: network evaluations.
        device: of the model.
        say: tells a person what is going on.
    """
    schedule, spec = drawer.sampler.schedule, drawer.spec
    times = UniformTimeGrid(schedule).times(steps)[:-1]
    begin = ddim_coefficients(schedule, times, options.eta)
    leaves = [v.clone().requires_grad_(True) for v in (begin.of_x, begin.of_z, begin.std)]
    # A step adds up all z before it: what the coefficients may move by falls as they multiply.
    rate = options.learning_rate * _FEW_STEPS / steps
    optimizer = torch.optim.Adam(leaves, lr=rate, betas=(0.9, 0.99))
    generator = torch.Generator().manual_seed(options.seed + 1)
    # All of the data on its side of the distance: only the samples' side is noisy.
    real = evaluator.train_features[:_MOST_REAL].clone().to(device)
    shape = (options.batch_size, *spec.shape)
    average = 0.0
    for update in range(options.updates):
        optimizer.param_groups[0]["lr"] = rate * (1 - update / options.updates)
        noise, *draws = (torch.randn(shape, generator=generator).to(device) for _ in range(steps))
        label = None
        if spec.num_classes:
            # Independent labels: with as many of each class the estimate would be biased.
            label = torch.randint(spec.num_classes, shape[:1], generator=generator).to(device)
        x = ggdm_sample(
            drawer.bound(label, options.w),
            noise,
            draws,
            schedule,
            GgdmCoefficients(*leaves),
            rematerialize=options.rematerialize,
        )
        loss = kernel_distance(evaluator.feature.compute(x.float()).embedding, real)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        average += (loss.item() - average) / min(update + 1, 20)
        if (update + 1) % _SAY_EVERY == 0:
            say(f"  {steps} steps, update {update + 1}: kernel distance {average:.4f}")
    return GgdmCoefficients(*(leaf.detach() for leaf in leaves))
