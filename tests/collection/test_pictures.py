"""Copies among images: digests that tell pictures apart, and counts that merge in any order, in bounded memory."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from semlens.collection import collect, copies_told, merge
from semlens.collection.pictures import KEPT_PICTURES, RunningPictures, Tally, digests, merge_pictures
from semlens.images import load_images
from tests.toy import colours, random_images

M = 2**64


def scrambled(number: int) -> int:
    """SplitMix64, as published, on Python's integers."""
    z = (number + 0x9E3779B97F4A7C15) % M
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % M
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % M
    return z ^ (z >> 31)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_a_digest_is_the_sum_that_it_says(dtype: torch.dtype) -> None:
    x = torch.randn(3, 2, 3, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    size = x.element_size()
    for row, digest in zip(x, digests(x).tolist(), strict=True):
        bits = np.frombuffer(row.numpy().tobytes(), f"<i{size}").tolist()
        mixed = [number ^ (number >> 4 * size) for number in bits]
        total = sum(number * (scrambled(n) | 1) for n, number in enumerate(mixed, start=1)) % M
        assert digest % M == scrambled(total)


def test_pictures_of_few_bits_are_told_apart() -> None:
    """Of 0 and 1, or of one size and both signs, in one pixel: numbers whose lower bits are all alike."""
    flat = torch.zeros(2001, 1, 20, 100)
    flat[torch.arange(2000), 0, torch.arange(2000) // 100, torch.arange(2000) % 100] = 1
    signs = torch.where(flat > 0, -1.0, 1.0)
    assert len(set(digests(torch.cat([flat, signs])).tolist())) == 4002
    assert len(set(digests(torch.cat([flat[:3], flat[:3], signs[:1]])).tolist())) == 4


def test_more_pictures_than_are_kept_are_a_sample_with_exact_counts() -> None:
    chance = np.random.default_rng(0)
    count = 3 * KEPT_PICTURES
    pictures = chance.integers(-(2**62), 2**62, count)
    ids = np.arange(count, dtype=np.int32)
    shows = pictures[chance.integers(0, count // 2, count)]
    parts = [Tally.of(shows[part], ids[part]) for part in np.array_split(chance.permutation(count), 5)]
    merged = merge_pictures(
        merge_pictures(parts[3], parts[0]), merge_pictures(parts[1], merge_pictures(parts[4], parts[2]))
    )
    digest, shown = merged.pictures, merged.shown
    truth = Counter(shows.tolist())
    assert digest.tolist() == sorted(truth)[:KEPT_PICTURES]
    assert shown[:, 0].tolist() == [truth[one] for one in digest.tolist()]
    at = {one: np.flatnonzero(shows == one) for one in digest[:50].tolist()}
    assert shown[:50, 1:].tolist() == [[int(where[0]), int(where[-1])] for where in at.values()]
    examples = replace(
        collect(colours(), random_images(4), ["act"], k=1), pictures=digest, shown=shown, seen=((0, count),),
        unreadable=(),
    )  # fmt: skip
    share = 1 - len(truth) / count
    (told,) = copies_told(examples, [f"{n}.png" for n in range(count)])
    assert abs(float(told.removeprefix("about ").partition("%")[0]) / 100 - share) < 0.005
    assert told.partition("%")[2].startswith(f" of the {count:,} images are copies of another")


def test_a_pass_counts_copies_however_it_is_cut() -> None:
    first, *others = (random_images(12).load(n) for n in range(12))
    images = load_images([first, *others, others[3], first, first])
    whole = collect(colours(), images, ["act"], k=2, batch_size=4)
    assert whole.pictures.tolist() == sorted(set(whole.pictures.tolist()))
    assert len(whole.pictures) == 12
    several = whole.shown[whole.shown[:, 0] > 1].tolist()
    assert sorted(several) == [[2, 4, 12], [3, 0, 14]]
    parts = [collect(colours(), images, ["act"], k=2, batch_size=4, shard=(n, 4)) for n in (2, 0, 3, 1)]
    merged = merge(merge(parts[0], parts[1]), merge(parts[2], parts[3]))
    assert (merged.pictures.tolist(), merged.shown.tolist()) == (whole.pictures.tolist(), whole.shown.tolist())
    assert copies_told(whole, images.names) == [
        "3 of the 15 images are copies of another, as the model sees them, first image 14 of image 0: "
        "what they show counts as often"
    ]
    assert copies_told(collect(colours(), random_images(12), ["act"], k=2), random_images(12).names) == []


@pytest.mark.slow
def test_pictures_wait_for_no_batch_and_stay_bounded() -> None:
    running = RunningPictures()
    x = torch.arange(KEPT_PICTURES + 3.0).reshape(-1, 1, 1, 1)
    for part, ids in zip(x.split(1000), torch.arange(len(x)).split(1000), strict=True):
        running.add(part, ids.tolist())
    kept = running.state()
    assert len(kept.pictures) == KEPT_PICTURES
    assert kept.shown[:, 0].tolist() == [1] * KEPT_PICTURES
    assert kept.pictures.tolist() == sorted(digests(x).tolist())[:KEPT_PICTURES]
