"""What libraries fetch to make a model: told before, soon over where nothing answers, one sentence if it fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from semlens.errors import SemlensError
from semlens.hub import can_fetch, hugging_face
from semlens.model.checkpoint import first_line
from semlens.model.spec import ModelSpec


@contextmanager
def making(named: ModelSpec) -> Iterator[None]:
    """Turns whatever a library raises of a user's options, or of a hub, into one sentence."""
    try:
        yield
    except SemlensError:
        raise
    except Exception as error:  # dozens of kinds from as many packages
        if named.options and isinstance(error, TypeError | AttributeError):
            options = ", ".join(f"{key}={value}" for key, value in named.options.items())
            raise SemlensError(f"{named.spec} cannot be made with {options}: {first_line(error)}") from error
        raise _out_of_reach(named.spec, first_line(error)) from error


@contextmanager
def fetched_by_timm(named: ModelSpec) -> Iterator[None]:
    """All that timm asks a server for a model's weights.

    Raises:
        SemlensError: none can be reached, and the weights are not here.
    """
    import timm

    known = None if named.name.startswith("hf") else timm.get_pretrained_cfg(named.name)
    if known is None or (known.hf_hub_id and not named.file):
        repository = known.hf_hub_id if known else named.name.partition(":")[2].partition("@")[0]
        with hugging_face(repository, () if named.file else ("model.safetensors",)):
            yield
    else:
        if known.url and not named.file:
            check_url(named.spec, known.url)
        yield


def check_url(spec: str, url: str) -> None:
    """Returns if weights that lie at an address are in torch's cache, or can be fetched.

    Raises:
        SemlensError: if not.
    """
    if not can_fetch(url, Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])):
        raise _out_of_reach(spec, f"{url} cannot be reached")


def _out_of_reach(what: str, why: str) -> SemlensError:
    return SemlensError(
        f"{what} cannot be loaded: {why.rstrip('.')}. Without a network, give local weights (timm:NAME@FILE, "
        "torchvision:NAME@FILE, hf:FOLDER) or use offline:efficientnet_lite0"
    )
