#!/usr/bin/env python
"""Many architectures, untrained: is every row that `layers` lists what plain hooks see, and what is relevance worth?

    make zoo
    PYTHONPATH=. python benchmarks/zoo.py [--only TEXT] [--limit N] [--seconds S] [--log FILE] [--out FILE]

Every row of every model is collected over three images and compared with plain forward hooks that see one image at a
time (tests/model/plain_hooks.py); the relevance of two images has to be finite and not zero. What is found is appended
to the log, one JSON line a model; models that stand there are not run again, so that a run can be broken off and go
on. The table of all that the log holds is printed, or written to --out. Exits 1 if a row is wrong or fails.
"""

import argparse
import gc
import json
import os
import signal
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from _report import Table
from _zoo import Entry, Subject, entries
from PIL import Image
from torch import Tensor, nn

import semlens as sl
from semlens.errors import SemlensError
from semlens.images import ImageSet
from semlens.model.layers import LayerRow
from semlens.types import ConceptExamples
from tests.model.plain_hooks import PlainHooks, spec, verdict, with_other_tokens

IMAGES, SHOWN, REPEATS, LONG, LARGE = 3, 12, 3, 1.5, 10.0


@dataclass
class Result:
    """What was found of one model. Mutable: it is filled step by step, so that what was reached before an error stays.

    Args:
        rows: that `layers` lists, with class and register tokens; `right` of them are what plain hooks see.
        wrong, refused, failed: the others, with what is wrong, the refusal, or the Python error.
        relevance: "attributed", "zero", "not finite", or the refusal or error.
        size: sum of |relevance| over the sum of |target|.
        cost: CPU time of the relevance over that of a forward and backward pass to the pixels, and to all weights too.
        look: time of the first listing over that of a forward pass of one image.
        model: what kept the model from being built or listed.
    """

    family: str
    name: str
    rows: int = 0
    right: int = 0
    wrong: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    relevance: str = ""
    size: float | None = None
    cost: tuple[float, float] | None = None
    look: float | None = None
    model: str = ""
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong and nothing failed; refusals are sound."""
        bad = self.relevance.startswith(("failed", "zero", "not finite"))
        return not (self.wrong or self.failed or bad or self.model.startswith("failed"))


def pictures() -> list[Image.Image]:
    """Three different images: coarse colours under fine noise."""
    draw = np.random.default_rng(0)
    made = []
    for _ in range(IMAGES):
        coarse = Image.fromarray(draw.integers(0, 255, (6, 6, 3), dtype=np.uint8)).resize((256, 256), 3)
        fine = np.asarray(coarse).astype(int) + draw.integers(-25, 25, (256, 256, 3))
        made.append(Image.fromarray(fine.clip(0, 255).astype(np.uint8)))
    return made


@dataclass(frozen=True)
class Preprocess:
    """An image as the network takes it; as a clip it moves to the right."""

    shape: tuple[int, ...]

    def __call__(self, image: Image.Image) -> Tensor:
        *frames, height, width = self.shape[1:]
        pixels = np.array(image.resize((width, height), 2), dtype=np.float32)
        x = (torch.from_numpy(pixels).permute(2, 0, 1) / 255 - 0.5) / 0.25
        return torch.stack([x.roll(2 * frame, -1) for frame in range(frames[0])], 1) if frames else x


def enliven(net: nn.Module, x: Tensor) -> None:
    """Draws the weights that start at zero and takes the statistics of BatchNorm from `x`: an untrained network that
    says something."""
    for weights in net.parameters():
        if weights.ndim > 1 and weights.is_floating_point() and not weights.detach().any():
            nn.init.normal_(weights, 0, 0.05)
    norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.running_mean is not None]
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
        norm.momentum = None
    with torch.no_grad():
        net(x)
    for norm in norms:
        norm.eval()
        assert norm.running_var is not None
        norm.running_var.clamp_(min=1e-8)


def attempt(work: Callable[[], Any]) -> Any:
    """What `work` gives, or in words how it ended."""
    try:
        return work()
    except SemlensError as error:
        return f"refused: {str(error)[:160]}"
    except TimeoutError:
        raise
    except Exception as error:
        return f"failed: {type(error).__name__}: {(str(error).splitlines() or [''])[0][:160]}"


def collected(
    model: sl.VisionModel, images: ImageSet, rows: Sequence[LayerRow]
) -> Iterator[tuple[Sequence[LayerRow], ConceptExamples | str]]:
    """All rows in one pass; where one spoils it, in halves, until it stands alone."""
    names = [spec(row) for row in rows]
    found = attempt(lambda: sl.collect(model, images, names, k=IMAGES, batch_size=2, workers=0))
    if not isinstance(found, str) or len(rows) == 1:
        yield rows, found
    elif rows:
        for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
            yield from collected(model, images, half)


def hold_rows(result: Result, model: sl.VisionModel, subject: Subject, x: Tensor) -> None:
    """Every row against plain hooks."""
    forward = seconds(lambda: model.net(x[:1]))
    since = time.process_time()
    listed = attempt(model.layers)
    result.look = (time.process_time() - since) / forward
    if isinstance(listed, str):
        result.model = listed
        return
    rows = with_other_tokens(listed)
    result.rows = len(rows)
    hooks = PlainHooks(model.net, [one[None] for one in x], subject.registers, subject.around)
    means, images = hooks.means(rows), sl.load_images(pictures())
    for some, found in collected(model, images, rows):
        for row in some:
            said = found if isinstance(found, str) else verdict(row, found, hooks, means[spec(row)])
            if said == "right":
                result.right += 1
            else:
                kind, _, words = said.partition(": ")
                into = {"refused": result.refused, "failed": result.failed}.get(kind, result.wrong)
                into[spec(row)] = words if into is not result.wrong else said


def seconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """The least CPU time of some runs, of fewer where they are long."""
    spent: list[float] = []
    while len(spent) < repeats and sum(spent) < LONG:
        since = time.process_time()
        work()
        spent.append(time.process_time() - since)
    return max(min(spent), 1e-9)


def target_of(net: nn.Module, x: Tensor) -> Callable[[Any], Tensor] | None:
    """None where the output is a row of logits, of which the highest is explained; else `_score`."""
    with torch.no_grad():
        given = net(x)
    if isinstance(given, Tensor) and given.ndim == 2:
        return None
    return lambda output: torch.stack([_score(output, i, len(x)) for i in range(len(x))])


def _score(output: Any, image: int, images: int) -> Tensor:
    """The mean score of an image's boxes, or the greatest value of the first tensor it has: a map, features.

    Not their mean, which is 0 by construction behind a LayerNorm, so that its relevance would be rounding.
    """
    if isinstance(output, list) and len(output) == images and isinstance(output[0], dict):
        return output[image]["scores"].mean()
    while not isinstance(output, Tensor):
        values = output.get("logits", next(iter(output.values()))) if isinstance(output, dict) else output[0]
        output = values
    return output[image].amax()


def hold_relevance(result: Result, model: sl.VisionModel, x: Tensor) -> None:
    """The relevance of two images, its size and its cost."""
    target = target_of(model.net, x)

    def relevance() -> object:
        return sl.attribute(model, x, target, warn_above=float("inf"))

    found = attempt(relevance)
    if isinstance(found, str):
        result.relevance = found
        return
    finite, any_at_all = bool(torch.isfinite(found.heat).all()), bool(found.heat.any())
    result.relevance = "attributed" if finite and any_at_all else "zero" if finite else "not finite"
    result.size = float(found.heat.abs().sum() / found.value.abs().sum().clamp(min=1e-30))
    ours = seconds(relevance)
    result.cost = (
        ours / seconds(lambda: plain(model.net, x, target, [])),
        ours
        / seconds(lambda: plain(model.net, x, target, [p for p in model.net.parameters() if p.is_floating_point()])),
    )


def plain(net: nn.Module, x: Tensor, target: Callable[[Any], Tensor] | None, weights: Sequence[nn.Parameter]) -> object:
    """One forward and backward pass."""
    for parameter in net.parameters():
        parameter.requires_grad_(
            any(parameter is w for w in weights[:1]) or (bool(weights) and parameter.is_floating_point())
        )
    source = x.clone().requires_grad_()
    output = net(source)
    value = output.amax(1).sum() if target is None else target(output).sum()
    return torch.autograd.grad(value, [source, *weights], allow_unused=True)


def study(entry: Entry) -> Result:
    """All that is asked of one architecture."""
    result, since = Result(entry.family, entry.name), time.process_time()
    try:
        torch.manual_seed(0)
        subject = entry.build()
        preprocess = Preprocess(subject.shape)
        x = torch.stack([preprocess(picture) for picture in pictures()])
        enliven(subject.net, x)
        model = sl.VisionModel(subject.net, preprocess, name=entry.name)
        hold_rows(result, model, subject, x)
        hold_relevance(result, model, x[:2])
    except Exception as error:
        result.model = f"failed: {type(error).__name__}: {(str(error).splitlines() or [''])[0][:160]}"
    result.seconds = round(time.process_time() - since, 1)
    return result


def limited(work: Callable[[], Result], limit: int) -> Result:
    """`work`, interrupted after so many seconds of CPU time. A look at the clock every few seconds: a timer of CPU time
    would make that clock coarse."""
    until = time.process_time() + limit

    def look(*_: object) -> None:
        if time.process_time() > until:
            raise TimeoutError(f"took longer than {limit} s")

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 5, 5)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.collect()


def read(log: Path) -> list[Result]:
    """What a log holds."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [Result(**json.loads(line)) for line in lines]


def line(result: Result) -> str:
    """One model in one line, then what is not right in it."""
    counts = f"{result.rows:5} {result.right:5} {len(result.wrong):5} {len(result.refused):5} {len(result.failed):5}"
    size = "     -" if result.size is None else f"{result.size:6.2f}"
    cost = "          " if result.cost is None else f"{result.cost[0]:4.1f}x {result.cost[1]:4.1f}x"
    look = "     " if result.look is None else f"{result.look:4.1f}x"
    said = result.model or ("" if result.relevance == "attributed" else result.relevance)
    text = f"{result.family}/{result.name:34} {counts} {size} {cost} {look} {result.seconds:5.1f} s  {said}"
    bad = [*result.wrong.items(), *result.failed.items(), *result.refused.items()]
    return "\n".join([text, *(f"      {layer}: {words}" for layer, words in bad[:SHOWN])])


def sweep(chosen: Sequence[Entry], log: Path, limit: int) -> None:
    """Runs what does not stand in the log yet."""
    done = {(result.family, result.name) for result in read(log)}
    left = [entry for entry in chosen if (entry.family, entry.name) not in done]
    print(f"{'model':40}  rows right wrong refused failed  size cost (pixels, weights too) look", file=sys.stderr)
    for number, entry in enumerate(left, 1):
        result = limited(partial(study, entry), limit)
        with log.open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")
        print(f"[{number}/{len(left)}] {line(result)}", file=sys.stderr, flush=True)


def tables(results: Sequence[Result]) -> Iterator[Table]:
    """One row a family, then every model that has something to tell."""
    head = (
        "family | models | listed rows | right | refused | wrong | attributed | size, median (greatest) "
        "| cost | cost, weights too | look"
    )
    families = Table("What every family gives", head)
    for family, group in groupby(sorted(results, key=lambda r: r.family), lambda r: r.family):
        families.row(family, *_summary(list(group)))
    families.row("all", *_summary(results))
    yield families
    telling = Table("Models with something to tell", "model | what")
    for result in results:
        for words in told(result):
            telling.row(f"{result.family}: {result.name}", words)
    yield telling


def _summary(results: Sequence[Result]) -> list[str]:
    sizes = [r.size for r in results if r.size is not None] or [float("nan")]
    costs = list(zip(*(r.cost for r in results if r.cost), strict=True)) or [(float("nan"),)] * 2
    looks = [r.look for r in results if r.look is not None] or [float("nan")]
    return [
        f"{len(results)}", f"{sum(r.rows for r in results):,}", f"{sum(r.right for r in results):,}",
        f"{sum(len(r.refused) for r in results):,}", f"{sum(len(r.wrong) + len(r.failed) for r in results):,}",
        f"{sum(r.relevance == 'attributed' for r in results)}", f"{statistics.median(sizes):.2g} ({max(sizes):.2g})",
        *(f"{statistics.median(of):.2f} ({min(of):.2f}-{max(of):.2f})" for of in costs),
        f"{statistics.median(looks):.1f}",
    ]  # fmt: skip


def told(result: Result) -> Iterator[str]:
    """What is not as it should be, or is refused."""
    if result.model:
        yield result.model
    for what, rows in (("wrong", result.wrong), ("failed", result.failed), ("refused", result.refused)):
        if rows:
            layer, words = next(iter(rows.items()))
            yield f"{len(rows)} rows {what}, first {layer}: {words}"
    if result.relevance not in ("", "attributed"):
        yield f"relevance {result.relevance}"
    if result.size is not None and result.size > LARGE:
        yield f"size of the relevance {result.size:.3g}"


def main() -> int:
    """Runs the sweep; gives the exit code."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[""], help="parts of FAMILY/NAME, one of which has to be in it")
    parser.add_argument("--limit", type=int, help="at most so many models")
    parser.add_argument("--seconds", type=int, default=180, help="of CPU time, for one model")
    parser.add_argument("--log", type=Path, default=Path("zoo.jsonl"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    chosen = [e for e in entries() if any(text in f"{e.family}/{e.name}" for text in options.only)][: options.limit]
    sweep(chosen, options.log, options.seconds)
    results = read(options.log)
    print_tables(results, options.out)
    return 0 if results and all(result.sound for result in results) else 1


def print_tables(results: Sequence[Result], out: Path | None) -> None:
    """The tables as Markdown, on standard output or in a file."""
    minutes = sum(result.seconds for result in results) / 60
    head = f"torch {torch.__version__}, one thread, {len(results)} models, {minutes:.0f} minutes of CPU time"
    text = "\n\n".join([head, *(str(table) for table in tables(results))])
    if out:
        out.write_text(text + "\n")
    else:
        print(text)


if __name__ == "__main__":
    sys.exit(main())
