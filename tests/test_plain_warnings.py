"""A command's warning is a line; that of another package says where it comes from."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import genrl
from genrl.plain_warnings import say_in_a_line

SMALL = [
    "data=gaussian_mixture", "network=mlp_small", "training.updates=1", "training.batch_size=8",
    "callback@evaluation=none", "distill=none", "device=cpu",
]  # fmt: skip
HOME = str(Path(genrl.__file__).parent)
OURS = f"{HOME}/tasks/nowhere.py"


def test_a_command_warns_in_a_line(tmp_path: Path) -> None:
    words = ["train", *SMALL, f"hydra.run.dir={tmp_path}", "sampler=heun", "time_grid=uniform"]
    done = subprocess.run(
        [sys.executable, "-m", "genrl", *words], check=True, capture_output=True, text=True
    )
    first, *others = done.stderr.splitlines()
    assert first.startswith("genrl: warning: sampler 'heun': order 2 needs steps in log-SNR")
    assert first.endswith("take time_grid=log_snr")
    assert not any("Warning" in line for line in others)


@pytest.mark.parametrize(
    ("text", "category", "path", "said"),
    [
        ("take\n  another", UserWarning, OURS, "genrl: warning: take another\n"),
        ("old", DeprecationWarning, OURS, f"{OURS}:7: DeprecationWarning: old\n"),
        ("mind", UserWarning, "/plugin.py", "/plugin.py:7: UserWarning: mind\n"),
        ("mind", UserWarning, f"{HOME}_demo/x.py", f"{HOME}_demo/x.py:7: UserWarning: mind\n"),
        ("mind", UserWarning, "genrl/x.py", "genrl/x.py:7: UserWarning: mind\n"),
    ],
)
def test_whose_warnings_keep_their_place(
    text: str, category: type[Warning], path: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    say_in_a_line()
    assert warnings.formatwarning(text, category, path, 7) == said
