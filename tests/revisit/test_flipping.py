import numpy as np
import pytest
import torch

from semlens.errors import SemlensError
from semlens.revisit.flipping import faithful_pixels, flipping
from tests.toy import colours, flat_images, random_images


def slow(x: np.ndarray, heat: np.ndarray, counts: list[int], lowest_first: bool, baseline: float) -> list[float]:
    """The mean red of an image as its pixels go, one by one."""
    order = sorted(range(heat.size), key=lambda i: heat.flat[i] if lowest_first else -heat.flat[i])
    red, found = x[0].astype(np.float64).ravel(), []
    for count in counts:
        found.append(float(np.mean([baseline if i in order[:count] else red[i] for i in range(red.size)])))
    return found


@pytest.mark.parametrize("order", ["morf", "lerf"])
def test_pixels_go_in_order_of_their_relevance(order: str) -> None:
    x = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    heat = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(1))
    found = flipping(colours(), x, heat, "red", order=order, steps=5, baseline=0.25)
    counts = [0, 13, 26, 39, 52, 64]
    expected = [slow(a.numpy(), b.numpy(), counts, order == "lerf", 0.25) for a, b in zip(x, heat, strict=True)]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_colours_go_apart_where_each_has_relevance() -> None:
    x, heat = torch.ones(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    heat[:, 0] = 1
    found = flipping(colours(), x, heat, "red", steps=3)  # all of red goes first
    np.testing.assert_allclose(found[0].numpy(), [1, 0, 0, 0])
    assert flipping(colours(), x, heat, "green", steps=3)[0].tolist() == [1, 1, 0, 0]


def test_least_relevant_first_is_putting_back_read_from_its_end() -> None:
    images = random_images(4)
    curves = faithful_pixels(colours(), images, "red", by=("gradient", "random"), steps=8)
    x = torch.stack([colours().preprocess(images.load(i)) for i in range(4)])
    heat = x[:, 0] / 64
    least = flipping(colours(), x, heat, "red", order="lerf", steps=8)
    np.testing.assert_allclose(curves.insertion[0][:, ::-1], least.numpy(), rtol=1e-5, atol=1e-7)
    assert (curves.area("gradient") < curves.area("random")).all()
    assert (curves.area("gradient", "insertion") > curves.area("random", "insertion")).all()


@pytest.mark.parametrize(("how", "message"), [({"order": "most"}, "unknown order"), ({"steps": 0}, "1 step or more")])
def test_what_is_no_curve_is_refused(how: dict[str, object], message: str) -> None:
    with pytest.raises(SemlensError, match=message):
        flipping(colours(), torch.ones(1, 3, 8, 8), torch.ones(1, 8, 8), 0, **how)  # type: ignore[arg-type]


def test_a_map_of_another_size_is_refused() -> None:
    with pytest.raises(SemlensError, match="heat map of shape"):
        flipping(colours(), torch.ones(1, 3, 8, 8), torch.ones(1, 4, 4), 0)
    assert len(flat_images([(0, 0, 0)])) == 1
