"""A folder of images: which of its files they are, and which of its sub-folders are the labels."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from semlens.errors import SemlensError
from semlens.images.formats import kind_of_file, needs
from semlens.images.listing import Files, Listing

JPEG, NETPBM = (".jpg", ".jpeg", ".jpe", ".jfif"), (".ppm", ".pgm", ".pbm", ".pnm")
SUFFIXES = (*JPEG, ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp", *NETPBM)
"""Names that are taken for images without a look inside; of all others the first bytes decide."""

OTHER_SUFFIXES = {
    **dict.fromkeys((".heic", ".heif"), "HEIC"), ".avif": "AVIF", **dict.fromkeys((".dcm", ".dicom"), "DICOM"),
    **dict.fromkeys((".jp2", ".j2k", ".jpx", ".jpf", ".j2c"), "JPEG2000"),
}  # fmt: skip
"""Names of formats that not every installation reads."""

NAMED_SO = (*SUFFIXES, *OTHER_SUFFIXES)
"""What the name of an image ends in."""

PICTURES = (
    *OTHER_SUFFIXES, ".svg", ".psd", ".exr", ".hdr", ".dds", ".tga",
    ".ico", ".jxl", ".raw", ".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".npy", ".npz", ".svs",
    ".nii", ".nii.gz", "",
)  # fmt: skip
"""Names under which pictures lie that may be missed."""

TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".arrow")
ARCHIVES = (".tar", ".tgz", ".gz", ".bz2", ".xz", ".zip", ".7z", ".rar")

SPLITS = {"train", "training", "trainset", "val", "valid", "validation", "dev", "eval", "test", "testing", "testset"}
MASKS = {"mask", "masks", "annotations", "segmentation", "segmentations", "groundtruth", "ground_truth", "labels"}
"""Names of folders whose pictures are drawn over others."""

NOT_THEIRS = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
"""Folders that systems make for themselves, with copies and thumbnails of what lies beside."""

_NUMBERED = re.compile(r"(fold|split|part|batch|set|chunk|shard)s?[ _-]?\d+")  # rooms too

ROOMS = SPLITS | MASKS | {"images", "image", "imgs", "img", "photos", "pictures", "data", "dataset", "jpegimages"}
"""Names of folders that say where images lie, not what they show."""


def folder_listing(root: Path) -> Listing:
    """The images below a folder, sorted by path; the first sub-folders that say what images show are the labels.

    Raises:
        SemlensError: a part of it cannot be listed, or a name is no text.
    """
    files = sorted(files_below(root))
    if odd := next((name for name in files if name.encode(errors="ignore").decode() != name), None):
        raise SemlensError(f"the file name {odd!a} is not UTF-8: rename it")  # no table could hold it
    names = [name for name in files if name.lower().endswith(SUFFIXES)]
    others = _Others.of(root, [name for name in files if not name.lower().endswith(SUFFIXES)])
    names = sorted([*names, *others.kinds])
    level = _label_level(names)
    labels = tuple(_folder_at(name, level) for name in names)
    notes = []
    if level and any(labels):
        above = sorted(_at(names, level - 1))
        notes.append(f"labels are the folders below {' and '.join(above[:5])}{' and others' * (len(above) > 5)}")
    if level and not any(labels):
        notes.append(f"no labels: folders {', '.join(sorted(_at(names, 0)))} say where images lie, not what they show")
    if not names:
        raise SemlensError(f"no images in {root}: {others.lost() or _where_else(files)}")
    lost = tuple(filter(None, (others.lost(), others.found(), _drawn_over(names))))
    return Listing(str(root), tuple(names), labels, Files(str(root), tuple(names)), tuple(notes), lost)


def files_below(root: Path) -> Iterator[str]:
    """All files below a folder, as paths from it with `/`; hidden ones left out, no folder entered twice."""
    seen: set[str] = set()
    for folder, below, files in os.walk(root, onerror=_cannot_list, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link led back here
            below.clear()
            continue
        seen.add(real)
        below[:] = sorted(name for name in below if not name.startswith(".") and name not in NOT_THEIRS)
        place = Path(folder).relative_to(root)
        yield from ((place / file).as_posix() for file in files if file[0] != ".")


def _cannot_list(error: OSError) -> None:
    raise SemlensError(f"cannot list the folder {error.filename}: {error.strerror}") from error


def _where_else(files: Sequence[str]) -> str:
    """What to do with a folder that has no images."""
    tables = [name for name in files if name.lower().endswith(TABLES)]
    if tables and all(name.lower().endswith((".parquet", ".arrow")) for name in tables):
        return f"pass hf:FOLDER for a data set of Hugging Face's, or one table of it, as {tables[0]}"
    if tables:
        return f"pass the table that names them, as {tables[0]}"
    return f"a folder is searched for {' '.join(SUFFIXES)}"


@dataclass(frozen=True)
class _Others:
    """The files whose names are no image's: those that are images all the same, and those that may be missed."""

    kinds: dict[str, str]  # what holds an image, and of which format
    missed: tuple[tuple[str, str | None], ...]  # name, and what has to be installed to read it

    @classmethod
    def of(cls, root: Path, names: Iterable[str]) -> "_Others":
        kinds, missed = {}, []
        for name in names:
            suffix = _suffix(name)
            kind = kind_of_file(root / name)
            if kind is not None and needs(kind) is None:
                kinds[name] = kind
            elif kind is not None or suffix in (*PICTURES, *ARCHIVES):
                missed.append((name, needs(kind) if kind else None))
        return cls(kinds, tuple(missed))

    def found(self) -> str:
        """Which files are read although their names do not say what they hold; empty if none is."""
        odd = [
            name for name, kind in self.kinds.items() if OTHER_SUFFIXES.get(PurePosixPath(name).suffix.lower()) != kind
        ]
        if not odd:
            return ""
        return f"{len(odd):,} files are read by what they hold, not by their names: {odd[0]} is {self.kinds[odd[0]]}"

    def lost(self) -> str:
        """What was left out, in a sentence; empty if nothing was that may be missed."""
        if not self.missed:
            return ""
        counts = Counter(_suffix(name) or "without suffix" for name, _ in self.missed)
        told = ", ".join(f"{count:,} {suffix}" for suffix, count in sorted(counts.items()))
        packages = sorted({package for _, package in self.missed if package})
        advice = f"; to read them: pip install {' '.join(packages)}" if packages else ""
        volumes = any(_suffix(name).startswith(".nii") for name, _ in self.missed)
        advice += "; save the slices of volumes as pictures" if volumes else ""
        archive = next((name for name, _ in self.missed if _suffix(name) in ARCHIVES), None)
        advice += f"; {archive} has to be unpacked first" if archive else ""
        return f"{len(self.missed):,} files are left out that may be pictures ({told}){advice}"


def _suffix(name: str) -> str:
    """A file's ending in lower case, of a packed volume both."""
    return ".nii.gz" if name.lower().endswith(".nii.gz") else PurePosixPath(name).suffix.lower()


def _drawn_over(names: Sequence[str]) -> str:
    """What is said where folders of masks lie beside the images that they are called as; empty if none does."""
    masks = [name for name in names if MASKS & set(name.lower().split("/")[:-1])]
    photos = {PurePosixPath(name).stem.lower() for name in set(names) - set(masks)}
    stems = [PurePosixPath(name).stem.lower() for name in masks]
    fitting = sum(stem in photos or stem.rpartition("_")[0] in photos for stem in stems)
    if not masks or fitting < len(masks) / 2:
        return ""
    return (
        f"{len(masks):,} images may be masks that are drawn over others, as {masks[0]}: give the folder of the others "
        "alone"
    )


def _label_level(names: Sequence[str]) -> int:
    """How many folders down the labels are: 0, unless all folders there are rooms, as train/ and val/ are, or one
    holds all others."""
    level = 0
    while (folders := _at(names, level)) and all(name.count("/") > level for name in names):
        alone = (
            len(folders) == 1 and len(_at(names, level + 1)) > 1 and all(name.count("/") > level + 1 for name in names)
        )
        if not (alone or all(folder in ROOMS or _NUMBERED.fullmatch(folder) for folder in folders)):
            break
        level += 1
    return level


def _at(names: Sequence[str], level: int) -> set[str]:
    return {folder.lower() for name in names if (folder := _folder_at(name, level)) is not None}


def _folder_at(name: str, level: int) -> str | None:
    """The folder at a level of a path, None where the file itself lies there or above."""
    parts = name.split("/")
    return parts[level] if level < len(parts) - 1 else None
