"""Which address is answered by what. The server, a folder of files and a notebook all ask here."""

import re
from collections.abc import Callable

from semlens.app import about, columns, component, connected, judged, pictures, query
from semlens.app.answer import Answer, NotThere, Pending, as_json, refusal
from semlens.app.asked import Asked, Request
from semlens.app.session import Session
from semlens.errors import SemlensError

Handler = Callable[[Asked], Answer]

_N = r"(?P<{}>[0-9]{{1,9}})"

_ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "session", about.session),
    ("GET", "status", columns.jobs),
    ("GET", "compare", connected.compare),
    ("POST", "spec/read", judged.read),
    ("POST", "spec/write", judged.write),
    ("GET", "{i}/base", columns.base),
    ("GET", "{i}/labels", columns.labels),
    ("GET", "{i}/scores", columns.scores),
    ("GET", "{i}/atlas", columns.atlas),
    ("GET", "{i}/relevance/{number}", columns.relevance),
    ("GET", "{i}/search", query.search),
    ("POST", "{i}/image", query.keep_image),
    ("GET", "{i}/component/{row}", component.component),
    ("GET", "{i}/crop/{number}.webp", pictures.crop),
    ("GET", "{i}/whole/{image}.webp", pictures.whole),
    ("GET", "{i}/frame/{row}/{slot}.webp", pictures.frame),
    ("GET", "{i}/heat/{row}", pictures.heat),
    ("GET", "{i}/heat/{row}/{slot}.webp", pictures.heat_picture),
    ("POST", "{i}/audit", judged.audit),
    ("GET", "{i}/audits", judged.audits),
    ("POST", "{i}/report", judged.report),
    ("GET", "{i}/specs", judged.specs),
    ("POST", "{i}/specs", judged.keep_spec),
    ("GET", "{i}/graph", connected.graph),
    ("GET", "{i}/annotations", about.annotations),
    ("POST", "{i}/annotations", about.annotate),
    ("POST", "{i}/annotations/undo", about.undo),
    ("POST", "{i}/table.parquet", about.parquet),
]


def _compiled(pattern: str) -> re.Pattern[str]:
    """The pattern of an address: every part in braces is a number."""
    parts = re.split(r"\{(\w+)\}", pattern)
    text = "".join(_N.format(part) if at % 2 else re.escape(part) for at, part in enumerate(parts))
    return re.compile(text)


_TABLE = [(method, _compiled(pattern), handler) for method, pattern, handler in _ROUTES]


def answer(session: Session, request: Request) -> Answer:
    """The answer to a request: never a fault, but for our own."""
    try:
        for method, pattern, handler in _TABLE:
            found = pattern.fullmatch(request.path)
            if found and method == request.method:
                return handler(Asked(session, request, found.groupdict()))
    except NotThere as fault:
        return refusal(404, str(fault))
    except SemlensError as fault:
        return refusal(400, str(fault))
    except Pending as pending:
        return as_json(vars(pending.job), 202)
    return refusal(404, "there is nothing at this address")
