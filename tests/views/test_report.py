"""The report of an audit made by hand, whose every figure is known, and of one that `audit` made."""

import itertools
import json
import re
from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from math import pi

import numpy as np
import pytest
import yaml

from semlens.analysis.ask import probe_spec
from semlens.analysis.audit import Audit, audit, changes
from semlens.analysis.audit.grammar import parse_requirement
from semlens.analysis.audit.quadrants import Fit
from semlens.analysis.audit.requirements import Sight, Verdict, figures
from semlens.analysis.audit.spec import Concept, Spec, check_spec
from semlens.analysis.labels.labelling import Labels
from semlens.analysis.probe import Probes
from semlens.analysis.results import Rows
from semlens.errors import SemlensError
from semlens.index.index import ConceptIndex
from semlens.index.records import Thumbnails
from semlens.types import SHARE_UNIT, Component, FoundationId, Origin, Relevance, axis_of
from semlens.views.report import report
from semlens.views.report.crops import choose
from semlens.views.report.scatter import HEIGHT, WIDTH
from semlens.views.report.text import Html, between, deviations, el, figure, percent, points, requirement, tidy
from tests.analysis.test_search import FM, random_index, toy_index
from tests.planted import BY_HAND

NOTHING = Probes((), np.empty((0, 1), np.float32), np.empty((0, 1), np.float32), FoundationId("none", "0", 1, "none"))
NBSP = "\N{NO-BREAK SPACE}"
SPEC = Spec(
    output="red",
    valid=("red", Concept("warm", ("green",))),
    spurious=("blue", "sticker"),
    requirements=(
        "relevance_mass(spurious) <= 0.10",
        "components(neither) <= 4",
        "no component with spurious > valid above relevance 0.4",
    ),
    title="Red, and nothing else",
    notes="Because we say so.",
    layers=("act", "fc"),
)
# (valid, spurious) of act:0 to 2 and fc:0 to 3; 3 is needed to fit valid concepts, 3.5 for spurious ones
ALIGNMENT = np.array([[5, 0], [1, 6], [0, 0.5], [4, 5], [-0.04, 4], [0.5, 1], [1, 1.5]], np.float32)
POSITIVE = np.array([0.2, 0.5, 0.1, 0.1, 0.3, 0.05, 0.05], np.float32)
NEGATIVE = np.array([0.1, 0, 0.1, 0.1, 0.2, 0.1, 0.1], np.float32)
STANDS = ["valid", "spurious", "neither", "both", "spurious", "neither", "neither"]


def with_relevance(index: ConceptIndex, names: tuple[str, ...] = ("red", "green")) -> ConceptIndex:
    recipe, c = index.recipe, len(index.rows)
    shares = np.linspace(0.1, 0.3, c)[:, None] * [1, 0.5]
    return index.with_relevance(
        Relevance(
            origin=Origin(
                recipe.model.name, recipe.model.fingerprint, recipe.model.preprocess, recipe.images.source,
                recipe.images.fingerprint, recipe.images.count, recipe.precision,
            ),
            layers=index.layers, method="epsilon_plus_flat", parameters={"epsilon": 1e-6}, of="label", classes=(0, 1),
            class_names=names, positive=(shares * 4 * SHARE_UNIT).astype(np.int64),
            negative=np.zeros((c, 2), np.int64), top=np.ones((c, 2), np.int64), counts=np.array([4, 4]),
            beside=(), passing=np.zeros((0, 2), np.int64),
            ids=np.zeros((c, 1), np.int32), shares=np.full((c, 1), 0.5, np.float32), seen=((0, 7),), unreadable=(),
        )
    )  # fmt: skip


def by_hand(
    index: ConceptIndex | None = None, spec: Spec = SPEC, alignment: np.ndarray = ALIGNMENT,
    positive: np.ndarray = POSITIVE, labels: Labels | None = None, doubts: tuple[str, ...] = (),
    sight: Sight = Sight(proven=True),  # noqa: B008 - frozen
) -> Audit:  # fmt: skip
    """An audit of the toy index, with what components fit and how relevant they are made up."""
    index = index or with_relevance(toy_index())
    n = len(alignment)
    critical = np.tile([3.0, 3.5], (n, 1))
    fits = alignment > critical
    layer = np.repeat(np.arange(len(index.layers)), [axis.components for axis in index.layers])[:n]
    found = Fit(
        members=np.arange(n),
        layer=layer,
        z=alignment,
        best=np.stack([np.arange(n) % 2, 2 + np.arange(n) % 2], axis=1),
        critical=critical,
        p_value=np.where(fits, 0.0025, 0.5),
        drawn=np.repeat(fits[:, None], 20, axis=1),
        leaning=np.repeat((alignment[:, 1] > alignment[:, 0])[:, None], 20, axis=1),
    )
    total = np.maximum(np.bincount(layer, positive)[layer], 1e-30).astype(np.float32)
    positive, negative = positive / total, np.resize(NEGATIVE, n) / total
    made = figures(found, positive, negative, [axis.layer for axis in index.layers], 100, 0)
    return Audit(
        index=index, spec=spec, output=str(spec.output), images=100, by="examples", fit=found, relevance=positive,
        against=negative, figures=made, visibility=Rows(()), doubts=doubts, sight=sight, probes=NOTHING, driving=None,
        labels=labels, draws=4000, seed=0,
    )  # fmt: skip


def labelled(index: ConceptIndex, phrase: str, rows: list[int]) -> Labels:
    """Labels that give some components a phrase."""
    c = len(index.rows)
    given = np.isin(np.arange(c), rows)
    return Labels(
        index, (phrase, "other"), BY_HAND, np.zeros((c, 1), np.int32), np.ones((c, 1), np.float32),
        np.where(given, 0.001, 1.0), np.where(given, 0.001, 1.0), np.ones(c, np.float32), {},
    )  # fmt: skip


class Page(HTMLParser):
    """A page taken apart: fails where elements are not balanced."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []  # of which element, and the text
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def of(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]

    def dots(self) -> list[dict[str, str | None]]:
        """The marks of the components."""
        return [found for tag, found in self.elements if tag == "path" and found.get("role") == "img"]

    @property
    def text(self) -> str:
        """What is read, scripts and styles aside."""
        return "".join(text for name, text in self.texts if name not in ("script", "style")).replace(NBSP, " ")


def section_of(page: str, name: str) -> str:
    """A section as it stands on the page."""
    found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)
    assert found is not None, name
    return found[0]


def section(page: str, name: str) -> str:
    """The text of a section."""
    return Page(section_of(page, name)).text


HAND = by_hand()
PAGE = report(HAND)


def test_quadrants_are_what_the_tests_below_rest_on() -> None:
    assert [row.quadrant for row in sorted(HAND.rows, key=lambda row: HAND.index.row(row.component))] == STANDS
    assert [(round(mass.relevance, 4), mass.quadrant) for mass in HAND.masses[:4]] == [
        (0.25, "valid"), (0.625, "spurious"), (0.0, "both"), (0.125, "neither"),
    ]  # fmt: skip


def test_the_page_is_sound() -> None:
    page = Page(PAGE)
    ids = [found["id"] for _, found in page.elements if found.get("id")]
    assert len(ids) == len(set(ids))
    links = [found["href"] for tag, found in page.elements if tag == "a"]
    assert {f"#{id_}" for id_ in ids} >= set(links)
    assert len(links) == 9
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    tags = [tag for tag, _ in page.elements]
    assert [tags.count(tag) for tag in ("main", "header", "nav")] == [1, 1, 1]
    assert dict(page.elements)["html"] == {"lang": "en"}


def test_the_outcome_says_what_fails_and_why() -> None:
    # the share is 62.5 % in act and 60 % in fc; act:1 has 62.5 % against a limit of 40 %
    assert "2 of 3 requirements are not met." in Page(PAGE).text
    assert "62 % (" in Page(PAGE).text
    assert ") of what speaks for “red” in act goes through" in Page(PAGE).text
    assert "the largest: sticker (62 %)." in Page(PAGE).text
    fine = replace(SPEC, requirements=("components(both) <= 9",))
    assert "The one requirement is met." in report(by_hand(spec=fine))
    assert "All 2 requirements are met." in report(by_hand(spec=replace(fine, requirements=[*fine.requirements] * 2)))
    assert "states no requirement" in report(by_hand(spec=replace(SPEC, requirements=())))


def test_every_verdict_stands_there_with_its_figures() -> None:
    text = section(PAGE, "requirements")
    worst = HAND.verdicts[0]
    interval = f"{100 * worst.low:.1f} to {100 * worst.high:.1f} %"
    assert f"62.5 % ({interval}), limit 10 %" in text
    assert "3 (3 to 3), limit 4" not in text  # of neither there are 1 in act and 2 in fc
    assert "2 (2 to 2), limit 4" in text
    assert text.count("62.5 % (") == 2  # also the most relevant one
    assert "limit 40 %" in text
    assert [text.count(verdict.requirement) for verdict in HAND.verdicts] == [1, 1, 1]
    assert text.count("Not met") == sum(not verdict.met for verdict in HAND.verdicts) == 2
    assert len(re.findall("(?<!Not )Met", text)) == 1
    assert text.count("not sure: the interval") == sum(not verdict.sure for verdict in HAND.verdicts)


def test_the_masses_are_the_audits() -> None:
    text = section(PAGE, "relevance")
    for mass in HAND.masses:
        assert f"{mass.components} component" in text
        assert f"{100 * mass.relevance:.1f} %{100 * mass.low:.1f} to {100 * mass.high:.1f} %" in text
    bars = [found for tag, found in Page(PAGE).elements if tag == "rect" and "fill" in (found["class"] or "")]
    act = [(found["class"], found["x"], found["width"]) for found in bars if found["height"] == "34"][:3]
    assert act == [
        ("fill valid", "0.00%", "25.00%"), ("fill spurious", "25.00%", "62.50%"), ("fill neither", "87.50%", "12.50%"),
    ]  # fmt: skip


def test_a_verdict_is_drawn_to_scale() -> None:
    spec = replace(
        SPEC, requirements=("relevance_mass(valid) >= 0.2", "relevance_mass(spurious) < 0.1"), layers=("act",)
    )
    drawn = Page(section_of(report(by_hand(spec=spec)), "requirements")).elements
    allowed = [(found["x"], found["width"]) for _, found in drawn if found.get("class") == "allowed"]
    assert allowed == [("20.00%", "80.00%"), ("0.00%", "10.00%")]
    assert [found["x1"] for _, found in drawn if found.get("class") == "limit"] == ["20.00%", "10.00%"]
    verdict = by_hand(spec=spec).verdicts[1]
    reach = [(found["x1"], found["x2"]) for _, found in drawn if (found.get("class") or "").startswith("reach")]
    assert reach[1] == (f"{100 * verdict.low:.2f}%", f"{100 * verdict.high:.2f}%")
    value = [found["x1"] for _, found in drawn if (found.get("class") or "").startswith("value")]
    assert value == ["0.00%", "62.50%"]  # the first in fc, where nothing fits valid concepts only


def area(path: str) -> float:
    """Of a circle, a diamond or a square drawn as a path."""
    if circle := re.match(r"M\S+ \S+a(\S+) ", path):
        return pi * float(circle[1]) ** 2
    if square := re.match(r"M\S+ \S+h(\S+)v", path):
        return float(square[1]) ** 2
    diamond = re.match(r"M\S+ \S+l(\S+) ", path)
    assert diamond is not None
    return 2 * float(diamond[1]) ** 2


def centre(path: str) -> tuple[float, float]:
    start = re.match(r"M(\S+?) (-?[\d.]+)([lah])(-?[\d.]+)", path)
    assert start is not None
    x, y, kind, size = float(start[1]), float(start[2]), start[3], float(start[4])
    return {"l": (x, y + size), "a": (x + size, y), "h": (x + size / 2, y + size / 2)}[kind]


def test_a_dot_lies_where_its_alignment_says_and_is_as_large_as_its_relevance() -> None:
    dots = Page(PAGE).dots()
    assert len(dots) == 7
    by_layer = [[row for row in HAND.rows if row.component.layer == layer] for layer in ("act", "fc")]
    lines = [found for tag, found in Page(PAGE).elements if found.get("class") == "threshold"]
    at, first = iter(dots), 0
    for number, rows in enumerate(by_layer):
        x, y = float(lines[2 * number]["x1"] or ""), float(lines[2 * number + 1]["y1"] or "")
        largest = None
        for row in rows:  # the most relevant first
            dot = next(at)
            path = dot["d"] or ""
            assert dot["class"] == f"dot {row.quadrant}"
            largest = largest or area(path) / row.relevance
            assert area(path) == pytest.approx(largest * row.relevance, rel=0.05)
            across, up = centre(path)
            assert 0 < across < WIDTH
            assert 0 < up < HEIGHT
            assert (across > x, up < y) == (row.valid > 3, row.spurious > 3.5)
        places = np.array([centre(dot["d"] or "") for dot in dots[first : first + len(rows)]])
        first += len(rows)
        for axis, of, limit, line in ((0, "valid", 3.0, x), (1, "spurious", 3.5, y)):
            slope, start = np.polyfit([getattr(row, of) for row in rows], places[:, axis], 1)
            assert slope * limit + start == pytest.approx(line, abs=0.5)
    hints = Page(PAGE).of("title")
    assert hints[1].split("\n") == [
        "act:1", "fits spurious only", f"spurious: sticker, 6.0 (p{NBSP}={NBSP}0.0025)",
        f"valid: warm, 1.0 (p{NBSP}={NBSP}0.5)", f"relevance: 62.5{NBSP}% for, 0.0{NBSP}% against",
        "also speaks for: green",
    ]  # fmt: skip


def test_offenders_have_cards_and_the_right_and_the_unknown_too() -> None:
    offenders, right, unknown = (section(PAGE, name) for name in ("offenders", "right", "unknown"))
    # fc:0 fits both and the spurious better: an offender too
    assert re.findall(r"(?:act|fc):\d", offenders) == ["act:1", "fc:1", "fc:0"]
    assert "3 components fit a spurious concept" in offenders
    assert "Spuriousblue, 4.0 (needs 3.5), p = 0.0025Validnearest: red, 0.0 (needs 3.0), p = 0.5" in offenders
    assert "60.0 % for, 40.0 % against" in offenders
    assert "the model calls it red" in offenders  # fc:0
    assert "Also forgreen" in offenders
    assert re.findall(r"(?:act|fc):\d", right) == ["act:0"]
    assert right.index("Validred") < right.index("Spuriousnearest: blue")
    assert re.findall(r"(?:act|fc):\d", unknown) == ["act:2", "fc:2", "fc:3"]


def test_what_fits_neither_and_has_a_label_is_named_not_shown() -> None:
    index = with_relevance(toy_index())
    text = section(report(by_hand(index, labels=labelled(index, "cat", [2]))), "unknown")
    assert "1 of the 3 that fit neither do have a label; the most relevant: cat (act:2, 12.5 %)." in text
    assert re.findall(r"(?:act|fc):\d", text) == ["act:2", "fc:2", "fc:3"]
    assert len(re.findall("no label (?:act|fc)", text)) == 2


def test_concepts_are_the_audits() -> None:
    text = section(PAGE, "concepts")
    for one in HAND.concepts:
        if one.components:
            shares = f"{100 * one.relevance:.1f} %{100 * one.against:.1f} %"
            assert f"{one.concept} {one.side}{one.layer}{one.components}{shares}" in text
    assert "Fitted by no component: warm (valid, act); blue (spurious, act)" in text


def test_everything_it_was_made_from_stands_there() -> None:
    text, recipe = section(PAGE, "recipe"), HAND.index.recipe
    for part in (
        recipe.model.fingerprint, recipe.images.fingerprint, recipe.foundation.digest, recipe.foundation.licence,
        recipe.decoder, "epsilon_plus_flat, epsilon 1e-06", "100 by label", "Because we say so.", "audit 0",
        "relevance_mass(spurious) <= 0.10", "0 more of these layers respond to no image",
    ):  # fmt: skip
        assert part in text
    spec = Page(PAGE).text.split("The spec in full")[1].split("Because we say so.", 1)[1].split("Date:")[0]
    assert check_spec(yaml.safe_load(spec)) == SPEC  # as it stands there, it can be used again
    assert "95 %" in section(PAGE, "methods")
    assert "100 images labelled as “red”" in section(PAGE, "methods")


HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;\x00\u202eevil\u2066"


def hostile() -> Audit:
    index = with_relevance(toy_index(), names=(HOSTILE, f"{HOSTILE}2"))
    images = index.images
    index = replace(
        index,
        recipe=replace(index.recipe, model=replace(index.recipe.model, name=HOSTILE)),
        read_images=lambda: replace(images, names=tuple("y" * 100 + HOSTILE + "\udcff\n" for _ in images.names)),
        read_unit_names=lambda: (None, None, None, *[HOSTILE] * 4),
    )
    spec = replace(
        SPEC, output=0, title=HOSTILE, notes=HOSTILE, valid=(HOSTILE, "x" * 5000), spurious=("שלום", f"{HOSTILE}3")
    )
    made = by_hand(index, spec, labels=labelled(index, HOSTILE, [0, 3]), doubts=(HOSTILE,))
    return replace(made, output=HOSTILE)


def test_hostile_texts_stay_texts() -> None:
    page = report(hostile(), before=hostile())
    page.encode()  # no half characters
    found = Page(page)
    assert {tag for tag, _ in found.elements} == {tag for tag, _ in Page(report(HAND, before=HAND)).elements} | {"ul"}
    assert [found.get("type") for tag, found in found.elements if tag == "script"] == ["application/json", None]
    assert not {name for _, attributes in found.elements for name in attributes if name.startswith("on")}
    assert not set(page) & {"\x00", "\u202e", "\u2066"}
    assert "שלום" in page
    assert "x" * 119 + "…" in page
    assert "x" * 200 in page.split('id="recipe"')[1]
    shown = tidy(HOSTILE)
    assert found.text.count(shown) >= 10  # as they are, where there is room
    crops = {found["title"] for _, found in found.elements if "crop p" in (found.get("class") or "")}
    assert crops == {"…" + tidy(f"{HOSTILE}\udcff\n"[-79:])}


def test_html_escapes_all_but_its_own() -> None:
    assert el("p", "<b>", Html("<i>"), None, 3, class_='"') == '<p class="&quot;">&lt;b&gt;<i>3</p>'
    assert el("meta", http_equiv="x", content=None) == '<meta http-equiv="x">'
    assert el("rect", x=1) == '<rect x="1"/>'
    assert tidy("a\x00b\udc80\u202ec\nd") == "a b\N{REPLACEMENT CHARACTER}c\nd"


@pytest.mark.parametrize("made", [HAND, hostile()], ids=["plain", "hostile"])
def test_nothing_is_fetched_and_only_our_script_runs(made: Audit) -> None:
    page = Page(report(made))
    policy = next(found["content"] for _, found in page.elements if found.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    script, style = page.of("script")[1], page.of("style")[0]
    for name, text in (("script-src", script), ("style-src", style)):
        digest = b64encode(sha256(text.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}';" in policy
    assert "unsafe" not in policy
    for _, attributes in page.elements:
        assert not {"src", "srcset", "xlink:href", "style", "action", "data"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
        assert not any((value or "").startswith(("http:", "https:", "//")) for value in attributes.values())
    assert all(url.startswith("data:image/webp;base64,") for url in re.findall(r"url\(([^)]*)\)", style))
    assert "@import" not in style
    assert "innerHTML" not in script
    assert "fetch" not in script


def test_on_paper_there_is_a_place_to_sign_and_a_number_on_each_page() -> None:
    text = PAGE
    assert all(f"{what}: <i></i>" in text for what in ("Date", "Name", "Signature"))
    printed = text[text.index("@media print") :]
    assert "counter(page)" in printed
    assert ".on-screen { display: none; }" in printed
    assert re.search(r'class="on-screen">[^<]*arrow keys', text)


def test_the_same_audit_gives_the_same_bytes() -> None:
    assert report(by_hand()) == PAGE
    assert not re.search(r"20\d\d-\d\d-\d\d", PAGE)


def test_a_picture_is_stored_once() -> None:
    index = HAND.index
    for row in np.unique(index.rows[:7]).tolist():
        assert PAGE.count(b64encode(index.thumbnails.get(row)).decode()) == 1
    style = Page(PAGE).of("style")[0]
    stored = [
        b64decode(text) for text in re.findall(r"\.p\d+\{background-image:url\(data:image/webp;base64,(.*?)\)", style)
    ]
    crops = json.loads(Page(PAGE).of("script")[0])["crops"]
    order = ["act:1", "fc:1", "fc:0", "act:0", "act:2", "fc:2", "fc:3"]  # as they come on the page
    for at, name in enumerate(order):
        rows = index.rows[index.row(Component.parse(name))]
        assert [stored[number] for number in crops[str(at)]] == [
            index.thumbnails.get(row) for row in rows.tolist() if row < len(index.sources)
        ]


def wide_index(rows: np.ndarray, pictures: list[bytes]) -> ConceptIndex:
    """An index of one layer whose examples and pictures are given; the rest of it is of no matter here."""
    (c, k), u = rows.shape, len(pictures)
    none = np.zeros((c, k), np.int32)
    return replace(
        random_index(c, 8, 0), layers=axis_of([("a", "channels", c)]), ids=none, positions=none,
        activations=np.zeros((c, k), np.float32), rows=rows.astype(np.int32), vectors=np.zeros((u, 8), np.float16),
        sources=np.zeros(u, np.int32), boxes=np.zeros((u, 4), np.int32), read_unit_names=lambda: (None,) * c,
        read_thumbnails=lambda: Thumbnails.pack(pictures),
    )  # fmt: skip


def test_pictures_keep_to_what_they_may_take_up() -> None:
    index = wide_index(np.arange(10).reshape(2, 5), [bytes([at]) * 300 for at in range(10)])
    both = [Component("a", 0), Component("a", 1)]
    url = 23 + 400  # letters of a picture's address
    assert choose(index, both, most=10 * url).rows == {
        both[0]: tuple(index.rows[0].tolist()), both[1]: tuple(index.rows[1].tolist()),
    }  # fmt: skip
    assert choose(index, both, most=4 * url).rows == {both[0]: (0, 1, 2, 3), both[1]: ()}
    assert choose(index, both, most=9 * url).rows == {both[0]: (0, 1, 2, 3, 4), both[1]: (5, 6, 7, 8)}
    shared = wide_index(np.array([[0, 1], [1, 0]]), [b"a" * 300, b"b" * 300])
    assert choose(shared, both, most=2 * url).rows == {both[0]: (0, 1), both[1]: (1, 0)}
    assert choose(index, both, most=url - 1).rows == {both[0]: (), both[1]: ()}


def test_a_baseline_is_put_beside_it() -> None:
    positive = POSITIVE.copy()
    positive[1] = 0.1  # of act: 0.25 of what speaks for the output in place of 0.625
    before = by_hand(positive=positive)
    text = section(report(HAND, before=before), "changes")
    assert "The two audits have the same inputs." in text
    assert "not met: 60.0 % (" in text  # of fc, the worst layer before; now it is act
    assert ") in fc" in text
    assert "+2.5 points" in text
    assert "+37.5 (" in text  # of act itself
    assert "2 (2 to 2)" in text
    assert text.count("not met") == 4  # before and now: the share and the worst
    for one in changes(HAND, before):
        by, low, high = (
            f"{100 * value:+.1f}".replace("-", "−") for value in (one.after - one.before, one.low, one.high)
        )
        sure = "clear" if one.low > 0 or one.high < 0 else "may be chance"
        assert f"{by} ({low} to {high}) points{sure}" in text
    assert text.count("clear") >= 2
    assert "25.0 % (" in text
    assert 'id="changes"' not in PAGE
    assert 'href="#changes"' in report(HAND, before=before)


def test_what_else_differs_from_the_baseline_is_said() -> None:
    model = replace(HAND.index.recipe.model, fingerprint="f" * 64)
    index = replace(HAND.index, recipe=replace(HAND.index.recipe, model=model, k=5))
    text = section(report(HAND, before=by_hand(index, replace(SPEC, fdr=0.1))), "changes")
    assert "differ in the model, how the index was made, the spec's fdr." in text
    assert "A change may come from any of these" in text
    assert "weights ffffffffffff." in text
    none = replace(HAND, spec=replace(SPEC, requirements=()))
    assert "share no requirement" in section(report(HAND, before=none), "changes")
    with pytest.raises(SemlensError, match="different outputs, 'green' before and 'red' now"):
        report(HAND, before=replace(HAND, output="green"))


def test_doubts_come_first_if_there_are_any() -> None:
    assert 'id="doubts"' not in PAGE
    page = report(by_hand(doubts=("'blue' and 'red': hardly told apart",)))
    assert page.index('id="doubts"') < page.index('id="requirements"')
    assert "'blue' and 'red': hardly told apart" in Page(page).text


def test_no_threshold_and_no_relevance_are_said() -> None:
    made = by_hand()
    made = replace(made, fit=replace(made.fit, critical=np.full((7, 2), np.inf)))
    page = Page(report(made)).text
    assert "no alignment would exceed chance" in page
    assert "too few random components" in page
    nothing = Page(report(by_hand(positive=np.zeros(7, np.float32)))).text
    assert "not known (not known) of what speaks for" in nothing
    assert "None." in nothing


def test_an_audit_of_the_toy_from_end_to_end() -> None:
    index = with_relevance(toy_index())
    spec = Spec(
        output="red", valid=("red", "green"), spurious=("blue",), requirements=("relevance_mass(neither) >= 0.5",)
    )
    made = audit(index, spec, probe_spec(FM, spec), draws=50)
    page = report(made)
    assert len(Page(page).dots()) == 3
    text = section(page, "relevance")
    for mass in made.masses:
        assert f"{100 * mass.relevance:.1f} %{100 * mass.low:.1f} to {100 * mass.high:.1f} %" in text
    assert "Of 1 of 1 requirement it cannot be told." in page  # relevance is a mean over 4 images
    assert page.count("Cannot tell") == 1
    assert "relevance is a mean over 4 images: 10 are needed" in section(page, "requirements")
    assert report(audit(index, spec, probe_spec(FM, spec), draws=50)) == page


def test_two_thousand_components_of_thirty_examples_stay_below_two_megabytes() -> None:
    rng = np.random.default_rng(0)
    c, k, u = 2048, 30, 3000
    index = wide_index(rng.integers(0, u, (c, k)), [rng.bytes(2500) for _ in range(u)])
    alignment = rng.normal(2, 2, (c, 2)).astype(np.float32)
    made = by_hand(with_relevance(index), SPEC, alignment, rng.dirichlet(np.ones(c)).astype(np.float32))
    page = report(made)
    assert len(Page(page).dots()) == c
    assert len(page.encode()) < 2_000_000
    assert all(len(some) >= 4 for some in json.loads(Page(page).of("script")[0])["crops"].values())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("relevance_mass(spurious) <= 0.10", "At most 10 % of what speaks for “ox” goes through components that fit "
         "spurious concepts only"),
        ("relevance_mass(valid + both) >= 55%", "At least 55 % of what speaks for “ox” goes through components that "
         "fit valid concepts only or both valid and spurious concepts"),
        ("components(unexpected) < 3", "Less than 3 components fit no concept of the spec"),
        ("no component with spurious > valid above relevance 0.025", "No component that fits a spurious concept better "
         "than any valid one has more than 2.5 % of what speaks for it in its layer"),
    ],
)  # fmt: skip
def test_requirements_in_words(text: str, said: str) -> None:
    assert requirement(parse_requirement(text), "ox").replace(NBSP, " ") == said


def test_figures_in_words() -> None:
    asked = parse_requirement("relevance_mass(spurious) <= 0.10")
    close = Verdict(asked.text, "not met", False, False, 0.1004, 0.05, 0.2, "a", "")
    assert figure(close, asked) == f"10.04{NBSP}%"  # 10.0 would look as if it were met
    assert figure(replace(close, value=0.1), asked) == f"10.0{NBSP}%"
    assert (percent(0.1234), percent(0.126, 0), percent(float("nan"))) == (f"12.3{NBSP}%", f"13{NBSP}%", "not known")
    assert between(0.05, 0.2) == f"5.0 to 20.0{NBSP}%"
    assert (points(-0.041), points(0.2)) == ("−4.1", "+20.0")
    assert (deviations(-0.04), deviations(-1.26), deviations(float("inf"))) == ("0.0", "−1.3", "none")


def test_the_figures_of_a_layer_are_those_of_the_hand() -> None:
    assert [layer.worst[0] for layer in HAND.figures] == pytest.approx([0.625, 0.6])
