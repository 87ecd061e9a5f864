"""The pictures: what happens over time under each strategy, what its safety costs, and how runs spread.

The only package that imports matplotlib.
"""

from reports.charts.files import Drawn, drawn, save
from reports.charts.spread import spread
from reports.charts.timeline import timeline
from reports.charts.trade_off import trade_off

__all__ = ["Drawn", "drawn", "save", "spread", "timeline", "trade_off"]
