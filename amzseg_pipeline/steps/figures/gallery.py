"""Renders the plots of a stage; a plot that fails is skipped and reported."""

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
    """A figure, its title (the finding), and a caption on what it shows and what follows."""

    title: str
    caption: str
    figure: "Figure"


@dataclass(frozen=True)
class NotApplicable:
    """Why a plot does not apply: the source has no data for it."""

    reason: str


@dataclass(frozen=True)
class RenderedPlot:
    """A Plot rendered as a full-size PNG."""

    name: str
    title: str
    caption: str
    png: bytes


@dataclass(frozen=True)
class MissingPlot:
    """A skipped plot and the reason; `is_fault` if rendering failed, not if the source has no data for it."""

    name: str
    reason: str
    is_fault: bool


@dataclass(frozen=True)
class Gallery:
    """The plots of one stage, in display order."""

    group: str
    plots: tuple[RenderedPlot, ...]
    missing: tuple[MissingPlot, ...]


def gallery(group: str, drawings: Mapping[str, Callable[[Data], Plot | NotApplicable]], data: Data) -> Gallery:
    """Renders each drawing of `data`; one figure is in memory at a time."""
    plots: list[RenderedPlot] = []
    missing: list[MissingPlot] = []
    with drawing_style():
        for name, draw in drawings.items():
            try:
                drawn = draw(data)
                if isinstance(drawn, NotApplicable):
                    missing.append(MissingPlot(name, drawn.reason, is_fault=False))
                else:
                    plots.append(RenderedPlot(name, drawn.title, drawn.caption, png_image(drawn.figure)))
            except Exception as error:  # any library error: the other plots are still rendered
                missing.append(MissingPlot(name, f"{type(error).__name__}: {error}", is_fault=True))
    return Gallery(group, tuple(plots), tuple(missing))
