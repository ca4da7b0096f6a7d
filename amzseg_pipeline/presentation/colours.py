"""The colours of segments."""

from collections.abc import Iterable

SEGMENT_COLOURS = (
    "#0173B2",
    "#DE8F05",
    "#882255",
    "#56B4E9",
    "#029E73",
    "#332288",
    "#117733",
    "#CC78BC",
    "#D55E00",
    "#8A2CE8",
)
"""Blue, orange, wine, sky, green, indigo, dark green, pink, vermilion, violet: after Okabe & Ito, and Tol.

In this order the first six stay at least 16 apart (CIE76) for readers with protanopia, deuteranopia or tritanopia
(Machado et al. 2009), all ten at least 12; each has a contrast of 2.3 or more on white.
"""


def segment_colours(segment_ids: Iterable[str]) -> dict[str, str]:
    """Segment id -> colour, in the order of ids: the colour of its number, or the first free one if that is taken.

    Ids are never reused, so S0001 to S0010 always have the same colours. From S0011 on a colour depends on which other
    ids are shown, and with more than ten segments colours repeat.
    """
    colours: dict[str, str] = {}
    for segment_id in sorted(set(segment_ids)):
        preferred = SEGMENT_COLOURS[(int(segment_id.removeprefix("S")) - 1) % len(SEGMENT_COLOURS)]
        taken = set(colours.values())
        free = [colour for colour in SEGMENT_COLOURS if colour not in taken]
        colours[segment_id] = preferred if preferred in free or not free else free[0]
    return colours
