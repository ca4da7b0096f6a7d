"""Which segment has which colour. Light enough for any page to import."""

from collections.abc import Iterable

from amzseg_pipeline.presentation.palette import SEGMENT_COLOURS


def segment_colours(segment_ids: Iterable[str]) -> dict[str, str]:
    """Segment id -> colour, in the order of ids: the colour of its number, or the first free one where that is taken.

    Ids are never used again, so a segment that stays keeps its colour whatever happens to others. Beyond ten segments
    colours repeat.
    """
    colours: dict[str, str] = {}
    for segment_id in sorted(set(segment_ids)):
        own = SEGMENT_COLOURS[(int(segment_id.removeprefix("S")) - 1) % len(SEGMENT_COLOURS)]
        taken = set(colours.values())
        free = [colour for colour in SEGMENT_COLOURS if colour not in taken]
        colours[segment_id] = own if own in free or not free else free[0]
    return colours
