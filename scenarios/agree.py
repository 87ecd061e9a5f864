"""How near a measurement must come to its prediction to agree with it: written before either is made."""

from collections.abc import Mapping

from pydantic import Field

from scenarios.model import Model, written
from scenarios.require import FigureName
from scenarios.units import Share


class Agree(Model):
    """The margin between measured and predicted means, as a share of the predicted one."""

    margin: Share = written("10%", "so far apart they still agree, as a share of the predicted mean")
    figures: dict[FigureName, Share] = Field(
        default_factory=dict, description="the same for single figures, by name"
    )

    def margin_of(self, figure: str) -> float:
        """The margin of that figure, as a share of its predicted mean."""
        of: Mapping[str, float] = self.figures
        return float(of.get(figure, self.margin))
