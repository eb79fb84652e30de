"""What is not imported to list components: it takes seconds, and no list needs it."""

import subprocess
import sys

PACKAGES = ("lightning", "torchvision", "diffusers", "scipy.stats")
LOAD = (
    "import sys; from genrl.plugins import load_components; load_components(); "
    f"print(*(name for name in {PACKAGES} if name in sys.modules))"
)


def test_components_load_without_slow_packages() -> None:
    done = subprocess.run([sys.executable, "-c", LOAD], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
