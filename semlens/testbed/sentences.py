"""Sentences by the thousand, made of short lists of words: what each is about is known, and nothing is fetched."""

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

Topic = Sequence[str]
"""Who acts, what they do, and to what; where it is done: words with a bar between them, four lines."""

TOPICS: Mapping[str, Topic] = MappingProxyType(
    {
        "animals": (
            "dog|cat|horse|fox|owl|rabbit|wolf|sheep|goat|crow|deer|hen|mouse|frog|bear|otter",
            "chased|watched|smelled|followed|bit|ignored|found|carried",
            "ball|bone|stick|feather|nest|bowl|shadow|hole|fence|blanket",
            "in the barn|near the pond|behind the shed|under the hedge|in the forest|by the river",
        ),
        "food": (
            "cook|baker|waiter|butcher|grandmother|guest|chef|farmer",
            "baked|tasted|served|burned|chopped|ordered|peeled|fried|spilled",
            "bread|soup|onion|cheese|cake|fish|rice|apple pie|tomato|potato|noodle dish|salad",
            "in the kitchen|at the market|for breakfast|in the restaurant|at the table|over an open fire",
        ),
        "music": (
            "violinist|singer|drummer|pianist|composer|choir|conductor|guitarist",
            "played|rehearsed|recorded|tuned|wrote|hummed|performed|improvised",
            "sonata|song|symphony|violin|piano|melody|waltz|chorus|flute solo|ballad",
            "on the stage|in the concert hall|at the festival|in the studio|before the audience|at the opera",
        ),
        "medicine": (
            "doctor|nurse|surgeon|patient|dentist|midwife|pharmacist|paramedic",
            "examined|treated|prescribed|cleaned|diagnosed|bandaged|measured|reported",
            "wound|fever|rash|broken arm|heart rate|infection|blood sample|tumour|cough|dose of antibiotics",
            "in the hospital|at the clinic|in the ambulance|after the operation|on the ward|in the waiting room",
        ),
        "money": (
            "banker|investor|accountant|broker|minister|auditor|merchant|customer",
            "sold|bought|taxed|lent|lost|invested|audited|borrowed",
            "shares|bonds|gold|the savings|a loan|the mortgage|currency|the profits|an insurance policy|the debt",
            "on the stock market|at the bank|"
            "before the crash|in the annual report|during the recession|in the exchange",
        ),
        "sport": (
            "goalkeeper|runner|coach|swimmer|referee|cyclist|striker|boxer",
            "kicked|won|lost|trained for|missed|praised|left|dominated",
            "the match|the race|the final|a penalty|the tournament|the ball|the medal|the second round",
            "in the stadium|at the Olympics|on the track|in the pool|in extra time|before the crowd",
        ),
        "weather": (
            "storm|wind|rain|fog|blizzard|flood|heat wave|thunder",
            "covered|shook|soaked|darkened|crossed|damaged|woke|froze",
            "the valley|the roofs|the harbour|the coast|the fields|the road|the village|the windows",
            "in November|before dawn|all night long|at the end of winter|without warning|for three days",
        ),
        "space": (
            "astronaut|telescope|probe|astronomer|satellite|rocket|rover|observatory",
            "photographed|orbited|discovered|measured|approached|left|tracked|mapped",
            "a comet|the moon|a distant galaxy|the rings of Saturn|"
            "an asteroid|a new planet|the dark crater|a dying star",
            "in orbit|beyond Mars|through the night sky|during the eclipse|at the launch site|in deep space",
        ),
        "law": (
            "judge|lawyer|witness|jury|prosecutor|thief|detective|police officer",
            "accused|questioned|defended|sentenced|arrested|believed|contradicted|released",
            "the suspect|the defendant|the burglar|the accomplice|"
            "the forger|the murderer|the smuggler|the victim's brother",
            "in court|at the trial|before the verdict|in prison|under oath|at the crime scene",
        ),
        "school": (
            "teacher|pupil|student|professor|headmaster|librarian|class|tutor",
            "solved|explained|forgot|copied|graded|studied|read|repeated",
            "the equation|the homework|an essay|the lesson|a textbook|the exam|the poem|the experiment",
            "at school|in the library|in the lecture hall|after class|before the exam|at the university",
        ),
        "sea": (
            "sailor|captain|fisherman|diver|lighthouse keeper|pirate|whale|ferry",
            "steered past|sank|saw|repaired|reached|pulled up|lost|circled",
            "the ship|the net|the anchor|the reef|an island|the wreck|the sail|the buoy",
            "on the open sea|in the harbour|below the waves|at high tide|off the coast|in the storm",
        ),
        "building": (
            "architect|carpenter|plumber|bricklayer|painter|roofer|electrician|neighbour",
            "built|repaired|painted|measured|tore down|designed|sanded|wired",
            "the wall|the roof|the staircase|a wooden door|the bridge|the chimney|the bathroom|the tower",
            "on the building site|in the old house|with a hammer|in the cellar|on a ladder|with cement",
        ),
        "computers": (
            "programmer|hacker|engineer|robot|server|analyst|intern|administrator",
            "fixed|deleted|wrote|tested|downloaded|encrypted|crashed|copied",
            "the software|a file|the database|the password|the website|the code|the network|the program",
            "on the laptop|in the data centre|over the internet|after the update|in the cloud|on the screen",
        ),
        "travel": (
            "tourist|pilot|train driver|passenger|guide|hiker|taxi driver|customs officer",
            "missed|booked|boarded|photographed|left|crossed|planned|delayed",
            "the train|the flight|the border|the mountain pass|the hotel|the journey|the bus|the old city",
            "at the airport|on holiday|at the station|in a foreign country|with a heavy suitcase|on the motorway",
        ),
        "family": (
            "mother|father|daughter|uncle|bride|baby|grandson|twin sister",
            "hugged|missed|called|forgave|visited|comforted|teased|married",
            "her son|his cousin|the aunt|the newborn|an old friend|the groom|their parents|the widow",
            "at home|at the wedding|on her birthday|at the funeral|on the telephone|at Christmas",
        ),
        "war": (
            "soldier|general|army|spy|refugee|sniper|prisoner|tank",
            "attacked|surrendered|defended|bombed|guarded|fled from|captured|betrayed",
            "the bridge|the fortress|the border town|the trench|the enemy camp|the convoy|the capital|the airfield",
            "during the war|at the front|after the ceasefire|under fire|in the last battle|behind enemy lines",
        ),
    }
)

MANNERS = (
    "old", "young", "tired", "angry", "cheerful", "careful", "nervous", "famous", "poor", "clever", "lonely", "proud",
)  # fmt: skip
FORMS = (
    "The {manner} {who} {did} {what} {where}.",
    "{where_first}, the {manner} {who} {did} {what}.",
    "A {manner} {who} never {did} {what} {where}.",
    "Did the {who} say who {did} {what}?",
    "It was the {manner} {who} who {did} {what} {where}!",
    "Nobody knows why the {who} {did} {what}.",
)
"""Statements, denials, questions and exclamations."""


def sentences(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Distinct sentences, each with its topic: the same ones for a seed on every machine.

    Raises:
        ValueError: so many are not found.
    """
    draw = random.Random(seed)  # noqa: S311  no secret is made of it
    found: dict[str, str] = {}
    for _ in range(50 * count):
        if len(found) == count:
            break
        topic = draw.choice(list(TOPICS))
        who, did, what, where = (draw.choice(words.split("|")) for words in TOPICS[topic])
        manner = draw.choice(MANNERS)
        what = what if what.startswith(_OWN) or what in ("shares", "bonds", "gold", "currency") else f"the {what}"
        where_first = where[0].upper() + where[1:]
        text = draw.choice(FORMS).format(
            who=who, did=did, what=what, where=where, manner=manner, where_first=where_first
        )
        text = text.replace("A old", "An old").replace("A angry", "An angry")
        found.setdefault(text, topic)
    if len(found) < count:
        raise ValueError(f"{len(found)} distinct sentences were found, not {count}")
    return list(found.items())


_OWN = ("the ", "a ", "an ", "her ", "his ", "their ")  # what stands with its own article


def words() -> tuple[str, ...]:
    """Every word or phrase of the lists, topics and manners among them, each once."""
    parts = (word for topic in TOPICS.values() for line in topic for word in line.split("|"))
    return tuple(dict.fromkeys([*TOPICS, *MANNERS, *parts]))
