"""Which function answers which address. The server, a folder of files and a notebook all ask here."""

import re
from collections.abc import Callable

from semlens.app import about, audits, columns, comparison, component, graphs, own_picture, pictures, query
from semlens.app.jobs import Pending
from semlens.app.request import Answer, Call, NotThere, Request, as_json, refusal
from semlens.app.session import Session
from semlens.errors import SemlensError

Handler = Callable[[Call], Answer]

_NUMBER = r"(?P<{}>[0-9]{{1,9}})"

_ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "session", about.session),
    ("GET", "status", columns.jobs),
    ("GET", "compare", comparison.comparison),
    ("POST", "spec/read", audits.read),
    ("POST", "spec/write", audits.write),
    ("GET", "{i}/base", columns.base),
    ("GET", "{i}/labels", columns.labels),
    ("GET", "{i}/scores", columns.scores),
    ("GET", "{i}/atlas", columns.atlas),
    ("GET", "{i}/relevance/{number}", columns.relevance),
    ("GET", "{i}/search", query.search),
    ("POST", "{i}/image", query.keep_image),
    ("GET", "{i}/own", own_picture.prediction),
    ("GET", "{i}/own/ready", own_picture.ready),
    ("POST", "{i}/own/without", own_picture.without),
    ("GET", "{i}/own/heat.webp", own_picture.heat),
    ("GET", "{i}/own/similar", own_picture.similar),
    ("GET", "{i}/component/{row}", component.component),
    ("GET", "{i}/crop/{number}.webp", pictures.crop),
    ("GET", "{i}/kept/{image}.webp", pictures.kept),
    ("GET", "{i}/whole/{image}.webp", pictures.whole),
    ("GET", "{i}/frame/{row}/{slot}.webp", pictures.frame),
    ("GET", "{i}/heat/{row}", pictures.heat),
    ("GET", "{i}/removed/{row}", pictures.removed),
    ("GET", "{i}/heat/{row}/{slot}.webp", pictures.heat_picture),
    ("POST", "{i}/audit", audits.run_audit),
    ("POST", "{i}/verify", audits.verified),
    ("POST", "{i}/report", audits.report),
    ("GET", "{i}/specs", audits.specs),
    ("POST", "{i}/specs", audits.keep_spec),
    ("GET", "{i}/graph", graphs.class_graph),
    ("GET", "{i}/annotations", about.annotations),
    ("POST", "{i}/annotations", about.annotate),
    ("POST", "{i}/annotations/undo", about.undo),
    ("POST", "{i}/table.parquet", about.parquet),
]


def _compiled(pattern: str) -> re.Pattern[str]:
    """The pattern of an address: every name in braces stands for a number."""
    parts = re.split(r"\{(\w+)\}", pattern)
    return re.compile("".join(_NUMBER.format(part) if n % 2 else re.escape(part) for n, part in enumerate(parts)))


_TABLE = [(method, _compiled(pattern), handler) for method, pattern, handler in _ROUTES]


def answer(session: Session, request: Request) -> Answer:
    """The answer to a request: never a fault, but for our own."""
    try:
        for method, pattern, handler in _TABLE:
            match = pattern.fullmatch(request.path)
            if match and method == request.method:
                return handler(Call(session, request, match.groupdict()))
    except NotThere as fault:
        return refusal(404, str(fault))
    except SemlensError as fault:
        return refusal(400, str(fault))
    except Pending as pending:
        return as_json(vars(pending.job), 202)
    return refusal(404, "there is nothing at this address")
