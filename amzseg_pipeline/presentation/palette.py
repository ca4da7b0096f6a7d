"""The colours of segments, the same in every figure and on every page."""

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
