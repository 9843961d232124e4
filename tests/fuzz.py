"""Seeded odd checkpoints and specs: each is read or refused in one sentence, and what is read is what was written.

    python -m tests.fuzz [COUNT] [SEED]

Half are checkpoints, half specs. A line for each that went wrong, and the seed that makes it; exit 1 if there is one.
"""

import io
import pickle
import random
import sys
import tempfile
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save
from torch import nn

from semlens.analysis.audit import load_spec
from semlens.cli.ending import ending
from semlens.model import load_weights

WRAPPERS = ("state_dict", "model", "model_state_dict", "ema", "model_ema", "params", "net", "teacher", "x y", "0", "")
PREFIXES = ("module.", "model.", "net.", "_orig_mod.", "backbone.encoder.", "a.", "weight.", ".", "conv.")
WORDS = (
    "yes", "no", "on", "010", "0.0", "1e3", "~", "null", "true", "2026-01-01", "0x1F", "-3", "7", "ox", "palm tree",
    "gr\u00f6\u00dfe", "\u732b", "a" * 300, ".inf", "<<", "=", "1_000", "12:30:45",
)  # fmt: skip
LINES = (
    "relevance_mass(spurious) <= 0.10", "relevance_mass(spurious) <= 30", "relevance_mass(spurious) <= 150%",
    "components(both) <= 3", "components(both) <= 3%", "relevance_mass(unexpected) <= 30%", "be good",
    "no component with spurious > valid above relevance 0.02", "no component with spurious > valid above relevance 3",
)  # fmt: skip


def net(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.ModuleDict({"conv": nn.Conv2d(3, 4, 3), "norm": nn.BatchNorm2d(4), "fc": nn.Linear(4, 2)})


def altered(state: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """A state dict with something odd in it: a key less or more, another shape, kind of number or value."""
    key = chance.choice(list(state))
    made = dict(state)
    change = chance.randrange(7)
    if change == 0:
        del made[key]
    elif change == 1:
        made[f"{key}{chance.choice(('2', '.lora_A.weight', '._extra_state', ''))}"] = torch.ones(2)
    elif change == 2:
        made[key] = torch.ones(chance.choice(((), (0,), (3, 2), (4, 3, 3, 3, 1))))
    elif change == 3:
        made[key] = made[key].to(chance.choice((torch.int8, torch.float16, torch.complex64, torch.bool)))
    elif change == 4:
        made[key] = chance.choice((None, 3, "text", [1, 2], {"a": torch.ones(1)}))
    elif change == 5:
        made = {name.replace(".", chance.choice(("/", ".", "..")), 1): value for name, value in made.items()}
    return made


def wrapped(state: dict[str, Any], chance: random.Random) -> Any:
    """A state dict under prefixes and inside of dictionaries, perhaps beside others."""
    for _ in range(chance.randrange(3)):
        prefix = chance.choice(PREFIXES)
        state = {f"{prefix}{key}": value for key, value in state.items()}
    if chance.random() < 0.2:
        state |= chance.choice(({"n_averaged": torch.tensor(3)}, {"criterion.weight": torch.ones(2)}, {"epoch": 3}))
    made: Any = state
    for _ in range(chance.randrange(3)):
        made = {chance.choice(WRAPPERS): made} | chance.choice(({}, {"epoch": 3}, {"optimizer": {0: torch.ones(1)}}))
    return chance.choice((made, made, made, made, [made], 3, None, torch.ones(2)))


def written(made: Any, chance: random.Random) -> bytes:
    """The file that holds it, whole or damaged."""
    file = io.BytesIO()
    kind = chance.randrange(6)
    if (
        kind == 0
        and isinstance(made, dict)
        and made
        and all(isinstance(value, torch.Tensor) for value in made.values())
    ):
        file.write(save({key: value.clone() for key, value in made.items()}))
    elif kind == 1:
        file.write(pickle.dumps({"state": [1, 2, 3], "net": "text"}, chance.choice((2, 4))))
    else:
        torch.save(made, file, _use_new_zipfile_serialization=kind != 2)
    data = bytearray(file.getvalue())
    damage = chance.randrange(8)
    if damage == 0:
        return bytes(data[: chance.randrange(len(data))])
    if damage == 1:
        for _ in range(chance.randrange(1, 20)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data) if damage != 2 else chance.randbytes(chance.randrange(200))


def checkpoint(seed: int, folder: Path) -> str:
    """What is wrong with how one odd checkpoint is read; empty if nothing is."""
    chance, true = random.Random(seed), dict(net(0).state_dict())
    odd = chance.random() < 0.5
    data = written(wrapped(altered(true, chance) if odd else true, chance), chance)
    file = folder / f"w{chance.choice(('.pt', '.pth', '.ckpt', '.safetensors', '.bin', '.onnx', ''))}"
    file.write_bytes(data)
    own = net(1)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    code, said = told(lambda: load_weights(own, file))
    if code or said:
        return said
    now = own.state_dict()
    kept = [name for name in ("conv.weight", "conv.bias", "fc.weight") if torch.equal(before[name], now[name])]
    return f"{kept[0]} stays random" if kept else ""


def spec(seed: int, folder: Path) -> str:
    """The same for a spec."""
    chance = random.Random(seed)
    output = chance.choice(WORDS)
    value: Callable[[], Any] = lambda: chance.choice((*WORDS, [], {}, [1, [2]], {"name": "b"}, 3, 0.5, True, None))  # noqa: E731
    tree: dict[str, Any] = {"output": "OUTPUT", "valid": ["a", "b"], "spurious": ["c"]}
    plain = chance.random() < 0.3
    if not plain:
        key = chance.choice(
            ("output", "valid", "spurious", "requirements", "title", "layers", "templates", "fdr", "fd")
        )
        items = [value() for _ in range(chance.randrange(3))]
        tree[key] = chance.choice((value(), items, chance.sample(LINES, 2), [{"name": value(), "images": items}]))
    text = yaml.safe_dump(tree, allow_unicode=True).replace("OUTPUT", output)
    if not plain and chance.random() < 0.3:
        place = chance.randrange(len(text))
        text = (
            text[:place]
            + chance.choice(("\t", ":", "- ", "[", "&a *a", "!!python/object:os", "\0", "\n"))
            + text[place:]
        )
    (folder / "spec.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    read: list[Any] = []
    code, said = told(lambda: read.append(load_spec(folder / "spec.yaml")))
    if said or code or not plain or output in ("<<", "="):
        return said
    meant = int(output) if output.isdecimal() and str(int(output)) == output else output
    return "" if read[0].output == meant else f"{output!r} is read as {read[0].output!r}"


def told(run: Callable[[], Any]) -> tuple[int, str]:
    """The exit code of what is run, and what is wrong with how it ended; empty if nothing is."""
    said = io.StringIO()
    with redirect_stderr(said), warnings.catch_warnings(action="ignore"):
        code = ending(lambda: run() and None)
    text = said.getvalue()
    if code not in (0, 2):
        return code, f"exit {code}: {text.strip()}"
    for mark in ("Traceback", "\x1b", "nput should be", "pydantic", "weights_only unpickler"):
        if mark in text:
            return code, f"says {mark!r}: {text.strip()}"
    return code, "" if code == 0 or len(text.strip().splitlines()) == 1 else f"is not one line: {text!r}"


def main(count: int, seed: int) -> int:
    wrong = 0
    for number in range(seed, seed + count):
        case = checkpoint if number % 2 else spec
        with tempfile.TemporaryDirectory() as folder:
            if fault := case(number, Path(folder)):
                wrong += 1
                print(f"{case.__name__} {number}: {fault}", flush=True)
    print(f"{count} cases, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(*(int(text) for text in [*sys.argv[1:], *("1000", "0")[len(sys.argv) - 1 :]])))
