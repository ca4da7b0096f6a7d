"""Rendering of galleries and thumbnails; a failing plot does not affect the others."""

import io

import numpy as np
import pytest
from PIL import Image

from amzseg_pipeline.steps.figures.gallery import MissingPlot, NotApplicable, Plot, gallery
from amzseg_pipeline.steps.figures.images import png_image, thumbnails
from amzseg_pipeline.steps.figures.style import canvas, drawing_style


def good(_: int) -> Plot:
    figure, axes = canvas("A finding", note="all of them")
    axes.plot([1, 2], [3, 4])
    return Plot("A finding", "It shows this: do that.", figure)


def without_data(_: int) -> NotApplicable:
    return NotApplicable("the source has none")


def faulty(count: int) -> Plot:
    raise ZeroDivisionError(f"{count} by nothing")


def unrenderable(_: int) -> Plot:
    figure, axes = canvas("A finding", note="")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda *_: 1 / 0)
    axes.plot([1, 10], [1, 2])
    return Plot("A finding", "Never seen.", figure)


def test_failing_plot_is_skipped_with_its_error():
    made = gallery("users", {"a": faulty, "b": good, "c": without_data, "d": unrenderable, "e": good}, 7)
    assert [plot.name for plot in made.plots] == ["b", "e"]
    assert made.missing == (
        MissingPlot("a", "ZeroDivisionError: 7 by nothing", is_fault=True),
        MissingPlot("c", "the source has none", is_fault=False),
        MissingPlot("d", "ZeroDivisionError: division by zero", is_fault=True),
    )


def test_rendering_is_deterministic_and_leaves_no_figure_open():
    from matplotlib import pyplot

    first, again = (gallery("users", {"b": good}, 0).plots[0].png for _ in range(2))
    assert first == again
    assert pyplot.get_fignums() == []


def noisy(seed: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (500, 800, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


@pytest.mark.parametrize("count", [1, 3])
def test_thumbnails_are_small_with_a_white_background(count):
    with drawing_style():
        pngs = [png_image(good(0).figure) for _ in range(count)]
    for image in thumbnails(pngs):
        assert len(image) <= 12 * 1024
        opened = Image.open(io.BytesIO(image))
        assert (opened.format, opened.width) == ("PNG", 400)
        assert len(opened.getcolors()) <= 128
        assert opened.convert("RGB").getpixel((399, 1)) == (255, 255, 255)


def test_detailed_images_get_narrower_thumbnails():
    images = thumbnails([noisy(1), noisy(2)])
    assert {Image.open(io.BytesIO(image)).width for image in images} == {200}
