"""What collecting costs, clocked from the inside on data that lies ready: the hooks, and top-k alone."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from _models import MODELS, REAL_WEIGHTS, studied
from _report import Table
from torch import Tensor

from semlens.collection import TopK, tuned_allocator
from semlens.model import Components, Pooled, parse_all, record
from semlens.model.offline import weights_file

BATCH, K = 32, 30
SAMPLE = 40  # batches on which the published top-k is timed: it costs the same on every one
TARGETS = {"resnet50 convolutions": "2.5 %", "resnet18 stages": "0.7 %", "vit_tiny mlp": "0.7 %"}


@dataclass
class Clock:
    """Seconds of this thread spent inside `with` blocks; robust against other processes, which wall time is not."""

    seconds: float = 0.0
    _since: float = field(default=0.0, init=False)

    def __enter__(self) -> None:
        self._since = time.thread_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.thread_time() - self._since


@dataclass(frozen=True)
class Inside:
    """Milliseconds per image."""

    default: float  # bare forward with glibc's default malloc
    tuned: float  # bare forward as collect runs it
    pool: float
    topk: float
    components: int

    @property
    def hooks(self) -> float:
        """All that collecting adds to the forward pass."""
        return self.pool + self.topk


def hooks(images: int, models: Sequence[str]) -> Iterator[Table]:
    """Time inside our hooks over the bare forward pass."""
    head = "model | components | pool | forward | tuned | pooling | top-k | hooks / forward | hooks / tuned | target"
    table = Table("Inside the hooks, CPU ms per image", head)
    for model in models:
        kinds = ("@channels", "@tokens") if MODELS[model][2] else ("",)
        for suffix in kinds:
            for pool in ("mean", "max"):
                it = _inside(model, suffix, pool, images)
                numbers = [f"{x:.2f}" for x in (it.default, it.tuned, it.pool, it.topk)]
                shares = [f"{it.hooks / forward:.2%}" for forward in (it.default, it.tuned)]
                target = TARGETS.get(model, "-") if pool == "mean" and suffix != "@tokens" else "-"
                table.row(model + suffix, f"{it.components:,}", pool, *numbers, *shares, target)
    yield table


@torch.no_grad()
def _inside(model: str, suffix: str, pool: str, images: int) -> Inside:
    it = studied(model, str(weights_file(0)) if model == REAL_WEIGHTS else None)
    found = parse_all(it.net, [path + suffix for path in it.modules], torch.zeros(1, 3, 224, 224))
    kinds = [kind for kind, _ in found]
    components = sum(size for _, size in found)
    top = TopK(components, K, torch.device("cpu"), with_positions=pool == "max", with_histogram=True)
    pooling, adding = Clock(), Clock()
    default: list[float] = []
    tuned: list[float] = []
    generator = torch.Generator().manual_seed(1)
    for start in range(0, max(images, 2 * BATCH), BATCH):
        x = torch.randn(BATCH, 3, 224, 224, generator=generator)
        default.append(_seconds(partial(it.net, x)))
        with tuned_allocator():
            x = x.contiguous(memory_format=torch.channels_last)
            tuned.append(_seconds(partial(it.net, x)))
            ours = _hooked(it.net, kinds, x, pool, pooling)
            with adding:
                activations = torch.cat([part.activations for part in ours], dim=1)
                positions = torch.cat([part.positions for part in ours], dim=1) if pool == "max" else None  # type: ignore[misc]
                top.add(activations, torch.arange(start, start + BATCH), positions)
    with tuned_allocator(), adding:
        top.flush()
    bare, as_collect = (1e3 * statistics.median(times) / BATCH for times in (default, tuned))
    pool_cost, topk_cost = (1e3 * clock.seconds / (len(tuned) * BATCH) for clock in (pooling, adding))
    return Inside(bare, as_collect, pool_cost, topk_cost, components)


def _hooked(net: torch.nn.Module, kinds: Sequence[Components], x: Tensor, pool: str, clock: Clock) -> list[Pooled]:
    """A forward pass as collect's, with what happens in the hooks on the clock."""
    by_site = {kind.site: kind for kind in kinds}

    def keep(site: object, output: object) -> Pooled:
        with clock:
            return by_site[site].pool(output, pool)  # type: ignore[index]

    with record(net, list(by_site), keep) as seen:
        net(x)
    return [seen[site] for site in by_site]


def _seconds(work: Callable[[], object]) -> float:
    with (clock := Clock()):
        work()
    return clock.seconds


GRID = (
    (500, 262_144, 30), (500, 262_144, 100), (2_000, 65_536, 20), (2_000, 65_536, 100),
    (10_000, 16_384, 20), (10_000, 16_384, 100), (50_000, 4_096, 20), (50_000, 4_096, 100),
)  # fmt: skip
"""Components, images, k."""


def topk(shrink: int) -> Iterator[Table]:
    """Top-k alone, by component and image."""
    head = "components | images | k | published | semlens | semlens with positions | faster"
    table = Table("Top-k, CPU ns per image x component", head)
    for components, images, k in GRID:
        images //= shrink
        theirs, ours, placed = _topk_costs(components, images, k)
        table.row(
            f"{components:,}",
            f"{images:,}",
            k,
            f"{theirs:.1f}",
            f"{ours:.1f}",
            f"{placed:.1f}",
            f"{theirs / ours:.1f}x",
        )
    yield table


def _topk_costs(components: int, images: int, k: int) -> tuple[float, float, float]:
    """Nanoseconds per image x component of the published way, ours, and ours with positions."""
    batch, device = 64, torch.device("cpu")
    published, plain, placed = (
        Published(components, k),
        TopK(components, k, device),
        TopK(components, k, device, with_positions=True),
    )
    clocks = Clock(), Clock(), Clock()
    generator = torch.Generator().manual_seed(0)
    positions = torch.randint(0, 49, (batch, components), generator=generator, dtype=torch.int32)
    with tuned_allocator():
        for start in range(0, images, batch):
            ids, x = torch.arange(start, start + batch), torch.randn(batch, components, generator=generator)
            if start < SAMPLE * batch:
                with clocks[0]:
                    published.update(x, ids)
            with clocks[1]:
                plain.add(x, ids)
            with clocks[2]:
                placed.add(x, ids, positions)
        with clocks[1]:
            plain.flush()
        with clocks[2]:
            placed.flush()
    counted = (min(images, SAMPLE * batch), images, images)
    theirs, ours, ours_placed = (1e9 * clock.seconds / n / components for clock, n in zip(clocks, counted, strict=True))
    return theirs, ours, ours_placed


class Published:
    """The published package's running top-k, by the same torch calls: all joined in bfloat16, then `topk`."""

    def __init__(self, components: int, k: int) -> None:
        self.activations = torch.zeros(components, k, dtype=torch.bfloat16)
        self.ids = torch.full((components, k), -1)

    def update(self, activations: Tensor, ids: Tensor) -> None:
        """Takes a batch in."""
        joined = torch.cat([self.activations, activations.T.to(torch.bfloat16)], dim=1)
        joined_ids = torch.cat([self.ids, ids.repeat(len(self.ids), 1)], dim=1)
        self.activations, chosen = torch.topk(joined, k=self.ids.shape[1], dim=1)
        self.ids = joined_ids.gather(1, chosen)
