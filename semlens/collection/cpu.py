"""What makes a forward pass fast on a CPU without changing its result beyond float32's rounding; undone on exit.

Both ways reach outside of what we own: the C library's allocator is tuned for the whole process, with every other
thread in it, and an operator of PyTorch is called that is not public. `SEMLENS_PLAIN_CPU=1` in the environment switches
both off, for a process that embeds semlens beside other work, and to find out whether one of them is at fault.
"""

import ctypes
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

PLAIN = "SEMLENS_PLAIN_CPU"
"""The environment variable that switches everything here off: with any value but "" and "0"."""

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -2, -3, -4  # glibc's malloc.h


@contextmanager
def fast_cpu() -> Iterator[None]:
    """Everything here that helps on this machine, unless `SEMLENS_PLAIN_CPU` is set; harmless where the model runs on
    another device."""
    if os.environ.get(PLAIN, "0") not in ("", "0"):
        yield
        return
    with tuned_allocator(), OneDnnLinear() if on_amd() else nullcontext():
        yield


@contextmanager
def tuned_allocator() -> Iterator[None]:
    """Keeps freed memory in the process instead of giving it back after every layer.

    By default glibc maps every tensor above 32 MB afresh, and the page faults cost a ResNet half of its forward pass.
    Does nothing where the C library is another one, or where the user has set MALLOC_ variables. glibc cannot say what
    was set before; on exit the thresholds are those that its own adaptation reaches, and the memory is returned.
    """
    libc = ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
    if libc is None or any(name.startswith("MALLOC_") for name in os.environ):
        yield
        return
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(_TOP_PAD, 2**28)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_MAX, 65536)
        libc.mallopt(_MMAP_THRESHOLD, 2**25)
        libc.mallopt(_TRIM_THRESHOLD, 2**26)
        libc.mallopt(_TOP_PAD, 2**17)
        libc.malloc_trim(0)


class OneDnnLinear(TorchFunctionMode):
    """Inside the `with`, float32 linear layers on the CPU run by oneDNN, which is twice as fast as MKL on AMD
    processors.

    The result is float32 as before, up to rounding.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is functional.linear and not kwargs and len(args) == 3 and _plain(args[0]) and _plain(args[1]):
            return torch.ops.mkldnn._linear_pointwise(args[0], args[1], args[2], "none", [], "")
        return func(*args, **(kwargs or {}))


def _plain(x: torch.Tensor) -> bool:
    """Whether oneDNN may take over: a float32 tensor on the CPU outside autocast."""
    return type(x) in (torch.Tensor, torch.nn.Parameter) and x.device.type == "cpu" and x.dtype == torch.float32


def on_amd() -> bool:
    """Whether this machine's processor is AMD's."""
    try:
        with open("/proc/cpuinfo", encoding="utf8") as lines:
            return any("AuthenticAMD" in line for line in lines)
    except OSError:
        return "AMD" in platform.processor()
