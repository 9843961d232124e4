"""The edge to hubs of models and data: whether one can be reached, asked once and soon, and what is to be fetched."""

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fnmatch import fnmatch
from http.client import HTTPException
from pathlib import Path
from threading import RLock, Thread
from time import monotonic
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, build_opener, getproxies

from semlens.errors import SemlensError
from semlens.progress import watched

WAIT = 4.0
"""Seconds that a hub has to answer before it counts as out of reach."""

VALID = 30.0
"""Seconds for which an answer, or that there was none, holds for the whole process."""

NO_ANSWER = (407, 502, 503, 504)
"""What a proxy answers where it does not let one through to a hub."""

_QUESTIONS: dict[str, "_Question"] = {}  # by address, those that hold still

_ONE_AT_A_TIME = RLock()  # for settings of a library that hold for the whole process


class FetchWarning(UserWarning):
    """What is about to be fetched from a hub, and how large it is."""


def ask_soon(spec: str) -> None:
    """Begins to ask the hub of a model that is about to be loaded, so that its answer is there once libraries are."""
    family, _, name = spec.partition(":")
    local = "@" in name or name.startswith("local-dir:") or Path(name).exists()
    if family in ("hf", "timm", "open_clip", "transformers") and not local:
        with suppress(ImportError):  # which is said where it is needed
            from huggingface_hub import constants

            if not constants.HF_HUB_OFFLINE:
                _asked(constants.ENDPOINT)


def reachable(url: str) -> bool:
    """Whether the server of an address answers within `WAIT` seconds, by the proxies of the environment."""
    return _size(url) is not None


@contextmanager
def hugging_face(repository: str = "", patterns: Sequence[str] = (), kind: str = "model") -> Iterator[None]:
    """All that asks the Hugging Face hub. Where that cannot be reached only what is in its cache is used, at once and
    without retries; else what is missing there of the repository's files is told before it is fetched.

    Args:
        patterns: of the files that will be wanted.
        kind: "model" or "dataset".

    Raises:
        ConnectionError: the hub cannot be reached, and what is asked for is not in the cache.
    """
    from huggingface_hub import constants

    with _ONE_AT_A_TIME, ExitStack() as stack:
        before = constants.HF_HUB_OFFLINE
        online = not before and reachable(constants.ENDPOINT)
        stack.enter_context(_set(constants, "HF_HUB_OFFLINE", not online))
        if "datasets" in sys.modules:  # which has a copy of it
            stack.enter_context(_set(sys.modules["datasets"].config, "HF_HUB_OFFLINE", not online))
        stack.enter_context(quiet())
        if online and repository:
            _tell(repository, patterns, kind)
        try:
            yield
        except Exception as fault:
            if online or isinstance(fault, SemlensError):
                raise
            why = "HF_HUB_OFFLINE is set" if before else f"{constants.ENDPOINT} does not answer"
            raise ConnectionError(f"{why}, and its cache on this machine does not hold it") from fault


@contextmanager
def fetching(what: str, instead: str) -> Iterator[None]:
    """Turns whatever a download in its body raises into one sentence that says what to give `instead`."""
    try:
        yield
    except (OSError, ValueError) as error:  # every error of the hub's client is one of the two
        raise SemlensError(
            f"{what} is not in the hub's cache and could not be fetched: check the name and the connection, "
            f"or fetch it elsewhere and give {instead}"
        ) from error


def hub_folder(repository: str, patterns: Sequence[str], instead: str) -> Path:
    """The local copy of those files of a hub repository.

    Raises:
        SemlensError: where they cannot be had.
    """
    from huggingface_hub import snapshot_download  # comes with all families that ask

    with fetching(repository, instead), hugging_face(repository, patterns):
        return Path(snapshot_download(repository, allow_patterns=[*patterns, "README.md"]))


@contextmanager
def quiet() -> Iterator[None]:
    """No bars of transformers, whose weights are read in a moment, nor any of what is fetched where nobody looks, as in
    a log file; all as they were afterwards."""
    with _ONE_AT_A_TIME, ExitStack() as stack:
        libraries = [getattr(sys.modules.get(name), "utils", None) for name in ("huggingface_hub", "datasets")]
        before = {bars: bars.are_progress_bars_disabled() for bars in libraries if bars}
        for bars, hidden in before.items():
            stack.callback(_hide, bars, hidden)
        if "transformers" in sys.modules:
            from transformers.utils import logging

            if logging.is_progress_bar_enabled():
                logging.disable_progress_bar()  # which hides those of huggingface_hub too
                stack.callback(logging.enable_progress_bar)
        for bars, hidden in before.items():
            _hide(bars, hidden or not watched())
        yield


def _hide(bars: Any, hidden: bool) -> None:
    """Hides a library's bars, or not; where the environment says which, that stays."""
    if bars.are_progress_bars_disabled() != hidden and not os.environ.get("HF_HUB_DISABLE_PROGRESS_BARS"):
        (bars.disable_progress_bars if hidden else bars.enable_progress_bars)()


def can_fetch(url: str, cached: Path) -> bool:
    """Whether a file is in a cache or its server can be reached; what will be fetched is told."""
    if cached.is_file():
        return True
    size = _size(url)
    if size is not None:
        _say(url, [size], cached.parent)
    return size is not None


def _tell(repository: str, patterns: Sequence[str], kind: str) -> None:
    """Says what of a repository is not in the cache and how large it is; nothing where the hub does not say."""
    from huggingface_hub import HfApi, constants, try_to_load_from_cache

    api: Any = HfApi()
    try:
        listed = api.repo_info(repository, repo_type=kind, files_metadata=True, timeout=WAIT).siblings or []
    except Exception:  # the fetching itself says what is wrong
        return
    chosen = [file for pattern in patterns for file in listed if fnmatch(file.rfilename, pattern)]
    names = {file.rfilename: try_to_load_from_cache(repository, file.rfilename, repo_type=kind) for file in chosen}
    wanted = [file for file in chosen if not isinstance(names[file.rfilename], str)]
    if wanted:
        _say(repository, [file.size or 0 for file in wanted], Path(constants.HF_HUB_CACHE))


def _say(what: str, sizes: Sequence[int], folder: Path) -> None:
    size = sum(sizes) / 1e6
    told = f"{size:,.0f} MB" if size >= 1 else "less than 1 MB" if size else "of unknown size"
    files = f"{len(sizes)} files" if len(sizes) > 1 else "one file"
    warnings.warn(f"fetching {what}, {told} in {files}, to {folder}", FetchWarning, stacklevel=4)


def _size(url: str) -> int | None:
    """How long a server says that its answer is, 0 if it does not; None if none answers in time."""
    return _asked(url).answer()


class _Question:
    """What a server says of an address, asked once: a second wait for one that is silent would tell nothing new."""

    def __init__(self, url: str, wait: float) -> None:
        self.server, self._proxies, self._begun = urlsplit(url)[:2], getproxies(), monotonic()
        self._wait, self._answers = wait, list[int]()
        self._asking = Thread(target=self._ask, args=(url,), daemon=True)  # names are looked up without a limit of time
        self._asking.start()

    def _ask(self, url: str) -> None:
        try:
            opener = build_opener()  # by the proxies of now: urlopen keeps those of its first call
            with opener.open(Request(url, method="HEAD"), timeout=self._wait) as answer:  # noqa: S310 - https, or the user's own
                self._answers.append(int(answer.headers.get("Content-Length") or 0))
        except HTTPError as fault:
            self._answers.extend([] if fault.code in NO_ANSWER else [0])
        except (OSError, ValueError, HTTPException):
            return

    def holds(self) -> bool:
        """Whether it was asked a moment ago, by the same way."""
        return monotonic() - self._begun < VALID and self._proxies == getproxies()

    def silent(self) -> bool:
        """Whether it is known by now that nobody answers."""
        late = monotonic() - self._begun > self._wait + 1
        return not self._answers and (late or not self._asking.is_alive())

    def answer(self) -> int | None:
        self._asking.join(max(0.0, self._begun + self._wait + 1 - monotonic()))
        return self._answers[0] if self._answers else None


def _asked(url: str) -> _Question:
    """The question that was put to a server. Where another server was silent the next one has half the time."""
    for address in [address for address, question in _QUESTIONS.items() if not question.holds()]:
        del _QUESTIONS[address]
    silent = [question for question in _QUESTIONS.values() if question.silent()]
    of_server = [question for question in silent if question.server == urlsplit(url)[:2]]
    known = _QUESTIONS.get(url) or next(iter(of_server), None)
    if known is None:
        known = _QUESTIONS[url] = _Question(url, WAIT / 2 if silent else WAIT)
    return known


@contextmanager
def _set(module: Any, name: str, value: object) -> Iterator[None]:
    """A setting of a module for as long as the `with` lasts."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)
