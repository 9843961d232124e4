"""Components held against a specification of valid and spurious concepts, with requirements."""

from semlens.analysis.audit.asked import UNRELATED, Shown, SpecProbes, file_name, named_concepts, read_marks
from semlens.analysis.audit.audit import audit
from semlens.analysis.audit.encoded import RATIO, SIZE, concepts_of, encoded_components, fit_encoded
from semlens.analysis.audit.findings import Audit, AuditRow, ConceptMass, changes
from semlens.analysis.audit.grammar import QUADRANTS, Requirement, parse_requirement
from semlens.analysis.audit.requirements import Change, Mass, Verdict
from semlens.analysis.audit.sight import Views, Visibility, views, visibility
from semlens.analysis.audit.spec import (
    Concept,
    Spec,
    check_spec,
    entries,
    json_schema,
    load_spec,
    read_spec,
    shipped,
)

__all__ = [
    "QUADRANTS",
    "RATIO",
    "SIZE",
    "UNRELATED",
    "Audit",
    "AuditRow",
    "Change",
    "Concept",
    "ConceptMass",
    "Mass",
    "Requirement",
    "Shown",
    "Spec",
    "SpecProbes",
    "Verdict",
    "Views",
    "Visibility",
    "audit",
    "changes",
    "check_spec",
    "concepts_of",
    "encoded_components",
    "entries",
    "file_name",
    "fit_encoded",
    "json_schema",
    "load_spec",
    "named_concepts",
    "parse_requirement",
    "read_marks",
    "read_spec",
    "shipped",
    "views",
    "visibility",
]
