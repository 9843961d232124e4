"""One forward pass whose backward pass carries relevance: every function that the model calls is seen and given a rule.

The model is not changed. A torch function mode, active in this thread and this `with` alone, sees each call however it
is written (module, functional, operator), lets the model's own function compute the result, and attaches the backward
pass that the composite asks for. A tensor that carries relevance but comes from a function that was not seen is an
error. What the mode knows of a tensor is in the tensor's `Mark`.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from semlens.attribution.chance import Watch
from semlens.attribution.composite import Composite
from semlens.attribution.conservation import Ledger
from semlens.attribution.constants import Names, tensors_in
from semlens.attribution.marks import remark
from semlens.attribution.mode import Mode
from semlens.attribution.operations import Setting
from semlens.attribution.taps import Stop, Tap, tapping
from semlens.attribution.writing import WrittenTogether
from semlens.errors import SemlensError
from semlens.model import Components, check_images, follow, modules_of, refuse_hidden, still


@dataclass
class Trace:
    """A forward pass from which relevance can be sent down, any number of times. The model is left as it was found.

    Args:
        source: where relevance arrives: the input, or the embeddings of token numbers.
        shadow: where the relevance arrives that rules give to inputs of zero; None for plain gradients and for tokens.
        output: what the model returned; None if it was stopped at the last tap.
        taps: by layer, in the order in which the layers ran.
        blind: the layer that first ran without gradients (`torch.no_grad`, `torch.inference_mode`), if one did.
    """

    source: Tensor
    shadow: Tensor | None
    ledger: Ledger = field(default_factory=Ledger)
    output: Any = None
    taps: dict[str, Tap] = field(default_factory=dict)
    blind: str = ""

    def explain(self, tap: Tap) -> None:
        """Says that relevance starts at this layer's own output, and no longer at another's."""
        for call in (other.call for other in self.taps.values() if other.call):
            call.explained = call is tap.call


def unexplained(what: str, blind: str) -> SemlensError:
    """The error for something that has lost its graph, or never had one.

    Args:
        what: the layer or the target, which starts the sentence.
        blind: as in `Trace`.
    """
    if blind:
        return SemlensError(
            f"{what} cannot be followed back to the image: layer {blind!r} runs under torch.no_grad or inference_mode "
            "inside the model; take that out of its forward"
        )
    return SemlensError(f"{what} does not depend on the image, so it has no relevance")


@contextmanager
def trace(
    net: nn.Module,
    x: Tensor,
    composite: Composite | None,
    kinds: Sequence[Components] = (),
    *,
    stop: bool = False,
    then: Callable[[Any], Any] = lambda output: output,
) -> Iterator[Trace]:
    """A traced forward pass of `net` on `x`.

    Args:
        composite: the rules; None for the plain gradient.
        kinds: components whose activations and relevance are wanted.
        stop: whether to end the forward pass at the last of these layers.
        then: a function of the model's output that is traced as part of the model, such as a similarity.

    Raises:
        SemlensError: a function that no rule covers, a function that cannot be seen, a layer that does not run, or one
            whose rows do not follow the images.
    """
    ledger = Ledger(images=len(x))
    modules = modules_of(net)
    where = follow(modules)
    mode = Mode(Setting(composite, ledger, Names(modules)), where) if composite else None
    _check_visible(net, modules, x, mode)
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(_uncompiled())
        run, entry = _start(x, ledger, mode)
        saved, paused = (mode.setting.saved, mode.paused) if mode else (None, nullcontext)
        with still(net), tapping(net, kinds, run.taps, saved=saved, paused=paused, stop=stop):
            if mode is None:
                with Watch(where):
                    run.output = _output(net, entry, then)
            else:
                _run(run, mode, net, x, entry, then)
        for layer, tap in run.taps.items():
            check_images(layer, len(tap.kind.rows.gather(tap.value)), len(x))
        yield run


def _uncompiled() -> AbstractContextManager[Any]:
    """While it lasts, what `module.compile()` and `torch.compile` of a function have compiled runs as it was written,
    so that its functions can be seen."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()  # nothing is compiled; asking would load the compiler
    stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance


def _check_visible(net: nn.Module, modules: Iterable[tuple[str, nn.Module]], x: Tensor, mode: Mode | None) -> None:
    """Refuses a batch without images, modules inside which no function can be seen, and weights without gradients."""
    if not len(x):
        raise SemlensError("there are no images to explain: the batch is empty")
    if mode:
        for path, module in modules:
            refuse_hidden(module, path)
    elif any(tensor.is_inference() for tensor in (*net.parameters(), *net.buffers())):
        raise SemlensError(
            "the model was made under torch.inference_mode, where no weight can be part of a gradient: load it "
            "outside, or choose a composite"
        )


def _run(
    run: Trace, mode: Mode, net: nn.Module, x: Tensor, entry: Tensor, then: Callable[[Any], Any]
) -> None:  # fmt: skip
    """One forward pass under the mode, or a second one where the first finds that views must be made one by one."""
    with mode, mode.setting.saved.kept():
        try:
            run.output = _output(net, entry, then)
        except WrittenTogether:
            entry = _again(run, x, mode)
            run.output = _output(net, entry, then)
    run.blind = mode.blind
    if not x.is_floating_point():
        run.source = mode.embeddings()
    for tensor in tensors_in(run.output):
        mode.check_seen(tensor, "the model's output")


def _start(x: Tensor, ledger: Ledger, mode: Mode | None) -> tuple[Trace, Tensor]:
    """The trace before the forward pass, and what goes into the model."""
    if not x.is_floating_point():
        entry = x.clone()  # token numbers: relevance arrives at their embeddings
        remark(entry, tokens=True)
        return Trace(x, None, ledger), entry
    source = x.detach().clone().requires_grad_()
    entry = source.clone()  # a model may overwrite its input
    if mode is None:
        return Trace(source, None, ledger), entry
    shadow = torch.zeros_like(source).requires_grad_()
    remark(entry, seen_by=mode.token, shadow=shadow)
    return Trace(source, shadow, ledger), entry


def _output(net: nn.Module, entry: Tensor, then: Callable[[Any], Any]) -> Any:
    """What the model returns; None if it is stopped at the last tap."""
    try:
        return then(net(entry))
    except Stop:
        return None


def _again(run: Trace, x: Tensor, mode: Mode) -> Tensor:
    """Prepares a second forward pass in which views are made one by one, and gives what goes into the model."""
    mode.restart()
    with mode.paused():
        fresh, entry = _start(x, run.ledger, mode)
    run.source, run.shadow = fresh.source, fresh.shadow
    run.taps.clear()
    return entry
