"""How Lightning writes and reads the checkpoints of a run."""

import os
import shutil
from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import TorchCheckpointIO

from genrl import checkpoints


class SafeCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoints, written whole and read with ``weights_only=True``."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write, keeping the last file as the one before it."""
        path = Path(path)
        new = path.with_name("next.ckpt")
        checkpoints.save(new, checkpoint)
        if path.exists():
            before = path.with_name("previous.ckpt")
            before.unlink(missing_ok=True)
            try:
                os.link(path, before)
            except OSError:  # a file system without hard links
                shutil.copy2(path, before)
        os.replace(new, path)

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Read and check."""
        return checkpoints.load(Path(path))
