"""From a table of drawing functions to images with their sentences; a plot that fails does not cost the others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from amzseg_pipeline.steps.figures.images import png_image
from amzseg_pipeline.steps.figures.style import drawing_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data = TypeVar("Data")


@dataclass(frozen=True)
class Plot:
    """A figure, the finding its title says, and one sentence on what it shows and what follows."""

    title: str
    sentence: str
    figure: "Figure"


@dataclass(frozen=True)
class NotApplicable:
    """Why there is nothing to draw: the source does not have the data."""

    reason: str


@dataclass(frozen=True)
class ShownPlot:
    """A Plot as a full-size PNG."""

    name: str
    title: str
    sentence: str
    png: bytes


@dataclass(frozen=True)
class MissingPlot:
    """A plot that is not there, and why; `is_fault` where drawing it failed and not where the source lacks the data."""

    name: str
    reason: str
    is_fault: bool


@dataclass(frozen=True)
class Gallery:
    """The plots of one stage, in the order of its table of drawings."""

    group: str
    plots: tuple[ShownPlot, ...]
    missing: tuple[MissingPlot, ...]


def gallery(group: str, drawings: Mapping[str, Callable[[Data], Plot | NotApplicable]], data: Data) -> Gallery:
    """Every drawing of `data`, by name. One figure is in memory at a time."""
    plots: list[ShownPlot] = []
    missing: list[MissingPlot] = []
    with drawing_style():
        for name, draw in drawings.items():
            try:
                drawn = draw(data)
                if isinstance(drawn, NotApplicable):
                    missing.append(MissingPlot(name, drawn.reason, is_fault=False))
                else:
                    plots.append(ShownPlot(name, drawn.title, drawn.sentence, png_image(drawn.figure)))
            except Exception as error:  # whatever a library raises, the other plots are still wanted
                missing.append(MissingPlot(name, f"{type(error).__name__}: {error}", is_fault=True))
    return Gallery(group, tuple(plots), tuple(missing))
