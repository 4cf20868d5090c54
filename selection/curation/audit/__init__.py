"""Audits of a choice: diversity, coverage, classes and groups, beside random rows."""

from gleann.selection.curation.audit.audit import AuditRequest, audit
from gleann.selection.curation.audit.coverage import CoverageCurve, coverage_curve
from gleann.selection.curation.audit.lines import (
    coverage_lines,
    group_lines,
    part_lines,
)
from gleann.selection.curation.audit.result import Audit, Audited, PartContribution
from gleann.selection.curation.audit.tables import GroupTable
from gleann.selection.curation.audit.vendi import (
    SecondMoments,
    order_as_json,
    vendi_score,
    vendi_scores,
)

__all__ = [
    "Audit",
    "AuditRequest",
    "Audited",
    "CoverageCurve",
    "GroupTable",
    "PartContribution",
    "SecondMoments",
    "audit",
    "coverage_curve",
    "coverage_lines",
    "group_lines",
    "order_as_json",
    "part_lines",
    "vendi_score",
    "vendi_scores",
]
