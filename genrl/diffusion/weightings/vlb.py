"""The variational bound in continuous time.

L_∞ = E_t[-½ SNR'(t) ||x - x̂||²] nats,  SNR'(t) = SNR(t) λ'(t)

The integral over t depends on the ends of λ alone, not on its shape. The norm is a sum over the
entries of an example, so that a loss which takes their mean is the bound per entry. Kingma et al.
2021, equation 15.
"""

from genrl.diffusion.weightings.base import Weighting, weightings
from genrl.typing import Batch


@weightings.register("vlb")
class VlbWeighting(Weighting):
    """-½ dSNR/dt: maximum likelihood; the diffusion part of the bound in nats.

    w(t) = -½ e^λ λ'(t)
    """

    def __call__(self, t: Batch) -> Batch:
        time = t.double()
        snr = self.schedule.log_snr(time).exp()
        return (-0.5 * snr * self.schedule.log_snr_derivative(time)).to(t.dtype)
