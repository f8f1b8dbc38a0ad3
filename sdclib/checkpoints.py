"""A training that was stopped goes on: its state after an epoch, in a file that appears whole or not at all."""

import hashlib
import io
import time
from pathlib import Path

import torch

from sdclib._files import write_atomically

__all__ = ["Checkpoint"]

_MARK = b"sdclib checkpoint, SHA-256 "  # then the hexadecimal digest of what follows the line
_STATE = {"fingerprint", "epoch", "model", "optimizer", "rows", "sampling", "stopped"}


class Checkpoint:
    """The file that :func:`sdclib.fit` keeps where ``checkpoint`` says.

    Args:
        path: the file; its folder is made if it is not there.
        model, data: as they come to ``fit``.
        settings: dict of what else decides the training; a checkpoint of another training, model, data or initial weights is refused.
        every: seconds between two writes.
    """

    def __init__(self, path, model, data, settings, every=30):
        self.path, self.every, self._written = Path(path), every, time.monotonic()
        digest = hashlib.sha256(repr(sorted(settings.items())).encode())
        for part in (data.index, data.label, data.foreground, data.mask, data.pool.points, *model.state_dict().values()):
            if part is not None:
                digest.update(repr((part.dtype, tuple(part.shape))).encode())  # so that one part cannot pass for another
                digest.update(part.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        self.fingerprint = digest.hexdigest()

    def restore(self, model, stepper, sampling):
        """Put model, optimiser and the generator ``sampling`` (or None) where the file left them.

        Returns:
            (last epoch trained, rows of the history, why training stopped or ""); (-1, [], "") if there is no file.

        Raises:
            ValueError: a file that is cut off or altered, or that belongs to another training.
            IsADirectoryError: a folder.
        """
        if not self.path.exists():
            return -1, [], ""
        device = next(model.parameters()).device
        if self.path.is_dir():
            raise IsADirectoryError(f"checkpoint must be a file; {self.path} is a folder")
        first, _, content = self.path.read_bytes().partition(b"\n")
        if first != _MARK + hashlib.sha256(content).hexdigest().encode():
            raise ValueError(f"{self.path} is no whole checkpoint: cut off, altered, or another kind of file; delete it to begin anew")
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or set(state) != _STATE or state["fingerprint"] != self.fingerprint:
            raise ValueError(
                f"{self.path} belongs to another training (other data, initial weights or settings): "
                "give the model as it was before training, or delete the file to begin anew"
            )
        model.load_state_dict(state["model"])
        stepper.load_state_dict(state["optimizer"])
        model.to(device)
        if sampling is not None:
            sampling.set_state(state["sampling"])
        return state["epoch"], state["rows"], state["stopped"]

    def keep(self, epoch, model, stepper, rows, sampling, stopped):
        """Write the state after an epoch, if the last was written long enough ago or training has ended (``stopped`` says why)."""
        if not stopped and time.monotonic() - self._written < self.every:
            return
        sampled = None if sampling is None else sampling.get_state()
        state = {"model": model.state_dict(), "optimizer": stepper.state_dict(), "rows": rows, "sampling": sampled}
        buffer = io.BytesIO()
        torch.save(state | {"fingerprint": self.fingerprint, "epoch": epoch, "stopped": stopped}, buffer)
        content = buffer.getvalue()
        write_atomically(self.path, _MARK + hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        self._written = time.monotonic()
