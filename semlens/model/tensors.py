"""Tensors as a safetensors file."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor


def write_tensors(path: Path, tensors: Mapping[str, Tensor], said: Mapping[str, str] | None = None) -> None:
    """Writes a file that others may read as far as the user's umask lets them; safetensors alone makes one that only
    its owner can read.

    Args:
        said: texts that stand beside the tensors.

    Raises:
        OSError, SafetensorError: it cannot be written.
    """
    from safetensors.torch import save_file

    path.touch()
    mode = path.stat().st_mode
    plain = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}  # each its own memory
    save_file(plain, path, dict(said) if said else None)
    path.chmod(mode)
