"""Components held against a specification of valid and spurious concepts, with requirements."""

from semlens.analysis.audit.audit import audit
from semlens.analysis.audit.findings import Audit, AuditRow, ConceptMass, changes
from semlens.analysis.audit.requirements import Change, Mass, Verdict, interval_of, over_images
from semlens.analysis.audit.spec import (
    QUADRANTS,
    Concept,
    Requirement,
    Spec,
    check_spec,
    entries,
    json_schema,
    load_spec,
    parse_requirement,
    read_spec,
    shipped,
)

__all__ = [
    "QUADRANTS",
    "Audit",
    "AuditRow",
    "Change",
    "Concept",
    "ConceptMass",
    "Mass",
    "Requirement",
    "Spec",
    "Verdict",
    "audit",
    "changes",
    "check_spec",
    "entries",
    "interval_of",
    "json_schema",
    "load_spec",
    "over_images",
    "parse_requirement",
    "read_spec",
    "shipped",
]
