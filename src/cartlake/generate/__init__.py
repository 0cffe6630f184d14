"""A shop to try cartlake with: realistic, seeded, consistent, and with defects on request."""

from cartlake.generate.delivery import DayReport, FaultReport, FileReport
from cartlake.generate.faults import FAULTS
from cartlake.generate.plan import ShopPlan, faults_named
from cartlake.generate.shop import generate

__all__ = ["FAULTS", "DayReport", "FaultReport", "FileReport", "ShopPlan", "faults_named", "generate"]
