"""The only file that registers forward hooks: `record` reads a layer's output, `edit` changes it, `survey` lists
them; `follow` tells which module runs, without any."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Literal

import torch
from torch import Tensor, nn

from semlens.errors import SemlensError, unknown
from semlens.model.projections import projections_run


@dataclass(frozen=True)
class Site:
    """A place in a model: what a module returns (or takes, for side "input"), at one of its calls.

    Written as the module's path; `path#1` is the second of several calls in one forward pass.
    """

    path: str
    call: int | None = None
    side: Literal["output", "input"] = "output"

    @classmethod
    def parse(cls, text: str, side: Literal["output", "input"] = "output") -> "Site":
        """The site that `path` or `path#call` names."""
        path, mark, call = text.partition("#")
        if mark and not call.isdecimal():
            raise SemlensError(f"{text!r}: after '#' comes the number of the call, 0 for the first")
        return cls(path, int(call) if mark else None, side)

    def __str__(self) -> str:
        return self.path if self.call is None else f"{self.path}#{self.call}"


def check_calls(layer: str | Site, site: Site, calls: int) -> None:
    """Refuses a site of a module that ran `calls` times in one forward pass.

    Raises:
        SemlensError: it did not run, ran less often than the site says, or several times and the site names no call.
    """
    if calls == 0:
        raise SemlensError(
            f"layer {str(layer)!r} did not run in the forward pass (its parent may use its weights directly); "
            "choose its parent or a neighbour, `semlens layers` lists what runs"
        )
    if site.call is not None and site.call >= calls:
        raise SemlensError(f"layer {str(layer)!r}: {site.path!r} ran {calls} times, so its last call is #{calls - 1}")
    if site.call is None and calls > 1:
        raise SemlensError(
            f"layer {str(layer)!r} runs several times in one forward pass and its calls must not be mixed: "
            f"name one, {site.path}#0 or {site.path}#1"
        )


@dataclass
class Recording:
    """What the recorded layers gave in the last forward pass, by layer name. Mutable: a hook fills it."""

    sites: Mapping[str | Site, Site]
    outputs: dict[str | Site, Any] = field(default_factory=dict)
    calls: Counter[str | Site] = field(default_factory=Counter)

    def __getitem__(self, layer: str | Site) -> Any:
        return self.outputs[layer]

    def _clear(self, *_: Any) -> None:
        self.outputs.clear()
        self.calls.clear()

    def _check(self, *_: Any) -> None:
        for layer, site in self.sites.items():
            check_calls(layer, site, self.calls[layer])

    def _due(self, layer: str | Site) -> bool:
        """Counts a call and says whether it is the wanted one."""
        site, call = self.sites[layer], self.calls[layer]
        self.calls[layer] += 1
        if site.call is None and call == 1:
            check_calls(layer, site, call + 1)
        return site.call in (None, call)


@contextmanager
def still(net: nn.Module) -> Iterator[None]:
    """The model in eval mode, so that statistics and dropout rest; each module's own mode comes back on exit."""
    modes = [(module, module.training) for module in each_module(net)]
    if any(training for _, training in modes):
        with suppress(NotImplementedError):  # a program of torch.export has one mode, in which it was exported
            net.eval()
    try:
        yield
    finally:
        for module, training in modes:
            if module.training != training:
                module.training = training


def each_module(net: nn.Module) -> Iterable[nn.Module]:
    """The network and all modules in it, each once; their paths would cost as much again."""
    if isinstance(net, torch.jit.ScriptModule):
        return list(net.modules())
    found = {id(net): net}
    waiting = [net]
    while waiting:
        for child in waiting.pop()._modules.values():
            if child is not None and id(child) not in found:
                found[id(child)] = child
                waiting.append(child)
    return found.values()


def modules_of(net: nn.Module) -> list[tuple[str, nn.Module]]:
    """The paths and modules that `net.named_modules()` gives, in the same order. On many calls that walks the network
    through as many generators as it is deep, which takes as long as much of what is asked of a small network."""
    if isinstance(net, torch.jit.ScriptModule):
        return list(net.named_modules())
    found: dict[int, tuple[str, nn.Module]] = {}

    def visit(path: str, module: nn.Module) -> None:
        found[id(module)] = (path, module)
        for name, child in module._modules.items():
            if child is not None and id(child) not in found:
                visit(f"{path}.{name}" if path else name, child)

    visit("", net)
    return list(found.values())


def module_at(net: nn.Module, path: str) -> nn.Module:
    """The module at a dotted path. Raises SemlensError with the nearest paths."""
    modules = dict(net.named_modules())
    if path not in modules or not path:
        raise unknown("layer", path, filter(None, modules), "`semlens layers MODEL` lists all")
    return modules[path]


@contextmanager
def record(
    net: nn.Module, layers: Sequence[str | Site], keep: Callable[[Any, Any], Any] = lambda _, output: output
) -> Iterator[Recording]:
    """Recording of each layer's output in the latest forward pass of `net`.

    Args:
        layers: module paths, `path#call`, or sites; the recording is keyed by what is given here.
        keep: called with layer and output inside the hook; what it returns is recorded, so a large output need not live
            on.

    The model is in eval mode inside the `with` and as found after it, also on an exception.

    Raises:
        SemlensError: an unknown layer; in the forward pass: a layer that did not run, or ran several times and no call
            is named.
    """
    sites = {layer: layer if isinstance(layer, Site) else Site.parse(layer) for layer in layers}
    recording = Recording(sites)

    def saw(layer: str | Site, output: Any) -> None:
        if recording._due(layer):
            recording.outputs[layer] = keep(layer, output)

    with _hooked(net, recording, saw):
        yield recording


@contextmanager
def edit(net: nn.Module, layer: str | Site, change: Callable[[Any], Any]) -> Iterator[None]:
    """Inside the `with`, every forward pass continues with `change(output)` in place of the layer's output.

    Raises SemlensError as `record` does.
    """
    site = layer if isinstance(layer, Site) else Site.parse(layer)
    recording = Recording({layer: site})

    def saw(name: str | Site, output: Any) -> Any:
        return change(output) if recording._due(name) else None

    with _hooked(net, recording, saw):
        yield


@contextmanager
def _hooked(net: nn.Module, recording: Recording, saw: Callable[[Any, Any], Any]) -> Iterator[None]:
    """Hooks for all sites of `recording`, gone on exit; what `saw` returns, unless None, replaces the tensor that
    passed."""

    def attach(layer: str | Site, site: Site) -> Any:
        module = module_at(net, site.path)
        if site.side == "output":
            return module.register_forward_hook(lambda _module, _args, output: saw(layer, output))

        def before(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
            changed = saw(layer, args[0])
            return None if changed is None else (changed, *args[1:])

        return module.register_forward_pre_hook(before)

    handles: list[Any] = []
    try:
        handles.append(net.register_forward_pre_hook(recording._clear))
        handles += [attach(layer, site) for layer, site in recording.sites.items()]
        handles.append(net.register_forward_hook(recording._check))
        with still(net), projections_run(net, [site.path for site in recording.sites.values()]):
            yield
    finally:
        for handle in handles:
            handle.remove()


def follow(modules: Iterable[tuple[str, nn.Module]]) -> Callable[[], str]:
    """What tells the path of the innermost of a network's modules that runs now: "" for the network itself, and where
    none does.

    It is read from the call stack, for hooks on every module would cost a small network more than its own work.
    """
    paths = {id(module): path for path, module in modules}

    def innermost() -> str:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code is _CALL:
                path = paths.get(id(frame.f_locals["self"]))
                if path is not None:
                    return path
            frame = frame.f_back
        return ""

    return innermost


_CALL = nn.Module._call_impl.__code__
"""What every call of a module runs through."""


def survey(net: nn.Module, x: Tensor, see: Callable[[Site, nn.Module, Any], None]) -> None:
    """Shows every module call of one forward pass: `see(site, module, value)` for what it takes first and for what it
    returns. Every site carries the number of its call; TorchScript inside the model, which takes no hooks, is left out,
    and so is what torch.compile wraps. In eval mode as `record` is."""
    calls: Counter[str] = Counter()
    running: dict[str, list[int]] = {path: [] for path, _ in net.named_modules()}

    def before(path: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        running[path].append(calls[path])
        calls[path] += 1
        values = (*args, *kwargs.values())
        see(Site(path, running[path][-1], "input"), module, values[0] if values else None)

    def after(path: str, module: nn.Module, output: Any) -> None:
        see(Site(path, running[path].pop()), module, output)

    handles: list[Any] = []
    try:
        for path, module in net.named_modules():
            if _opaque(path, module):
                continue
            handles.append(
                module.register_forward_pre_hook(
                    lambda module, args, kwargs, path=path: before(path, module, args, kwargs), with_kwargs=True
                )
            )
            handles.append(
                module.register_forward_hook(lambda module, _args, output, path=path: after(path, module, output))
            )
        with uncompiled(), still(net), projections_run(net, running):
            net(x)
    finally:
        for handle in handles:
            handle.remove()


def uncompiled() -> AbstractContextManager[Any]:
    """While it lasts, what `module.compile()` and `torch.compile` of a function have compiled runs as it was written,
    so that its functions can be seen."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()  # nothing is compiled; asking would load the compiler
    stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance


def _opaque(path: str, module: nn.Module) -> bool:
    """Whether no hook sees what the module does: TorchScript, and what torch.compile wraps or is within that."""
    return isinstance(module, torch.jit.ScriptModule) or "_orig_mod" in (*path.split("."), *module._modules)
