"""One forward pass whose backward pass carries relevance: every function that the model calls is seen and given a rule.

The model is not changed. A torch function mode, active in this thread and this `with` alone, sees each call however it
is written (module, functional, operator), lets the model's own function compute the result, and attaches the backward
pass that the composite asks for. A tensor that carries relevance but comes from a function that was not seen is an
error. What the mode knows of a tensor is in the tensor's `Mark`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from semlens.attribution.chance import Watch
from semlens.attribution.composite import Composite
from semlens.attribution.conservation import Ledger
from semlens.attribution.mode import Mode
from semlens.attribution.operations import Setting
from semlens.attribution.taps import Stop, Tap, tapping
from semlens.errors import SemlensError
from semlens.model import Components, check_images, follow, modules_of, refuse_hidden, still, uncompiled


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
    mode = Mode(Setting(composite, ledger, modules), where) if composite else None
    _check_visible(net, modules, x, mode)
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(uncompiled())
        run = Trace(x, None, ledger)
        saved, paused = (mode.setting.saved, mode.paused) if mode else (None, nullcontext)
        with still(net), tapping(net, kinds, run.taps, saved=saved, paused=paused, stop=stop):
            if mode is None:
                with Watch(where):
                    run.output = _output(net, _enter(run, x, None), then)
            else:
                _run(run, mode, net, x, then)
        for layer, tap in run.taps.items():
            check_images(layer, len(tap.kind.rows.gather(tap.value)), len(x))
        yield run


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


def _run(run: Trace, mode: Mode, net: nn.Module, x: Tensor, then: Callable[[Any], Any]) -> None:
    """A forward pass under the mode."""

    def forward() -> Any:
        run.taps.clear()
        with mode.paused():
            entry = _enter(run, x, mode)
        return _output(net, entry, then)

    with mode, mode.setting.saved.kept():
        run.output = mode.watched(forward)
    run.blind = mode.blind
    if not x.is_floating_point():
        run.source = mode.embeddings()


def _enter(run: Trace, x: Tensor, mode: Mode | None) -> Tensor:
    """What goes into the model; the trace learns where relevance arrives."""
    if x.is_floating_point():
        run.source = x.detach().clone().requires_grad_()
        run.shadow = torch.zeros_like(run.source).requires_grad_() if mode else None
    entry = run.source.clone()  # a model may overwrite its input
    if mode:
        mode.mark_input(entry, run.shadow)
    return entry


def _output(net: nn.Module, entry: Tensor, then: Callable[[Any], Any]) -> Any:
    """What the model returns; None if it is stopped at the last tap."""
    try:
        return then(net(entry))
    except Stop:
        return None
