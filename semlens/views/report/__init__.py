"""An audit as one page: for whoever signs off a model, readable without us, without a network, and on paper."""

from semlens.views.report.correction import certificate
from semlens.views.report.page import report

__all__ = ["certificate", "report"]
