"""Figures as PNG images: full size, and thumbnails small enough for an event log."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 170
_THUMBNAIL_COLOURS = 128
_MAX_BYTES = 12 * 1024
_MEAN_BYTES = 6_750
_NEARLY_WHITE = 251
_THUMBNAIL_WIDTHS = (400, 360, 320, 280, 240, 200)


def png_image(figure: "Figure") -> bytes:
    """The figure as a full-size PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    stream = io.BytesIO()
    figure.set_dpi(_DOTS_PER_INCH)
    figure.set_facecolor("white")
    # savefig would draw figures with a layout engine twice.
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(stream, metadata={"Software": None})
    return stream.getvalue()


def thumbnails(pngs: Sequence[bytes]) -> list[bytes]:
    """The images in 128 colours, at most 400 pixels wide, at most 12 KiB each and 6.6 KiB on average.

    So the 32 plots of a run stay below 300 KiB as base64 text.
    """
    images: list[bytes] = []
    for i in range(len(_THUMBNAIL_WIDTHS)):
        images = [_thumbnail(png, _THUMBNAIL_WIDTHS[i:]) for png in pngs]
        if sum(map(len, images)) <= _MEAN_BYTES * len(pngs):
            break
    return images


def _thumbnail(png: bytes, widths: Sequence[int]) -> bytes:
    from PIL import Image

    full = Image.open(io.BytesIO(png)).convert("RGB")
    for width in widths:
        size = (width, round(full.height * width / full.width))
        # Sharper filters and median cut look the same and take 50% longer.
        reduced = full.resize(size, Image.Resampling.HAMMING).quantize(
            _THUMBNAIL_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
        )
        # The octree averages colours, which turns white into a light grey.
        reduced.putpalette([255 if value >= _NEARLY_WHITE else value for value in reduced.getpalette() or ()])
        stream = io.BytesIO()
        reduced.save(stream, format="png", optimize=True)
        if stream.tell() <= _MAX_BYTES:
            break
    return stream.getvalue()
