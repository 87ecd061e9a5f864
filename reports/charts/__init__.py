"""The pictures: what happens over time under each strategy, what its safety costs, how runs spread, and what
was measured beside what was predicted.

The only package that imports matplotlib.
"""

from reports.charts.beside import beside
from reports.charts.files import Drawn, drawn, save
from reports.charts.spread import spread
from reports.charts.timeline import timeline
from reports.charts.trade_off import trade_off

__all__ = ["Drawn", "beside", "drawn", "save", "spread", "timeline", "trade_off"]
