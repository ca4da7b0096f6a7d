"""Small pieces of HTML that Streamlit has no element for: a segment's colour beside its name, shares, small tables.

What is put into them is ours (personas, numbers, colours of contracts/), and escaped nevertheless. Text that other
people wrote, such as user ids, goes into st.dataframe.
"""

from collections.abc import Mapping, Sequence
from html import escape

import streamlit as st

from amzseg_pipeline.app.formatting import share_of
from amzseg_pipeline.app.published_snapshot import Published

_LINE = "color-mix(in srgb, currentColor 16%, transparent)"
_OUTLINE = "box-shadow:0 0 0 1px color-mix(in srgb, currentColor 45%, transparent)"
_CELL = f"padding:.42rem .9rem .42rem 0;border-bottom:1px solid {_LINE};vertical-align:top"
_TEXT = "text-align:left;overflow-wrap:break-word"
_NUMBER = "text-align:right;font-variant-numeric:tabular-nums"
_MOST_ON_A_PHONE = 5
_PHONE = (
    "<style>@media(max-width:640px){"
    ".amz-wide thead{display:none}"
    f".amz-wide tr{{display:block;padding:.55rem 0;border-bottom:1px solid {_LINE}}}"
    ".amz-wide td{display:flex;justify-content:space-between;gap:1.2rem;border:0!important;padding:.12rem 0!important;"
    "text-align:right!important}"
    ".amz-wide td::before{content:attr(data-head);flex:none;opacity:.7;font-weight:400}"
    ".amz-wide td.amz-title{justify-content:start;font-weight:650!important;text-align:left!important}"
    ".amz-wide td.amz-title::before{content:none}"
    ".amz-wide td.amz-mark{float:left;width:1.5rem;justify-content:start}"
    ".amz-wide td.amz-mark::before{content:none}"
    "}</style>"
)
"""A table too wide for a phone becomes a list there: a row's first text its title, the other cells under it by name."""


def segment_heading(published: Published, segment_id: str, *, note: str = "", level: int = 3) -> None:
    """A segment's name as a heading, its colour before it and a note after it."""
    size = {2: "1.35rem", 3: "1.1rem"}[level]
    st.html(
        f'<h{level} style="margin:0;padding:0;font-size:{size};font-weight:650;line-height:1.3;display:flex;'
        'flex-wrap:wrap;align-items:center;column-gap:.55rem">'
        f"{_swatch(published.colours[segment_id])}<span>{escape(published.name(segment_id))}</span>"
        f'<span style="font-weight:400;opacity:.75;font-size:.95rem">{escape(note)}</span></h{level}>'
    )


def share_bar(published: Published) -> None:
    """All users as one bar, a part per segment, the largest first."""
    shares = {segment_id: float(published.profile(segment_id)["share"]) for segment_id in published.segment_ids}
    label = ", ".join(f"{published.name(segment_id)} {share_of(share)}" for segment_id, share in shares.items())
    parts = "".join(
        f'<span title="{escape(published.name(segment_id))} {share_of(share)}" style="flex:{share:.6f} 0 0;'
        f'min-width:2px;background:{published.colours[segment_id]}"></span>'
        for segment_id, share in shares.items()
        if share > 0
    )
    st.html(
        f'<div role="img" aria-label="{escape(label)}" style="display:flex;gap:2px;height:1.4rem;'
        f'border-radius:.4rem;overflow:hidden;{_OUTLINE}">{parts}</div>'
    )


def facts(values: Mapping[str, str], *, colours: Mapping[str, str] | None = None) -> None:
    """A few facts side by side, each under its label; as many in a row as fit, none cut off."""
    blocks = "".join(
        f'<div style="flex:1 1 8.5rem"><div style="font-size:.875rem;opacity:.75">{escape(label)}</div>'
        '<div style="font-size:1.15rem;font-weight:600;display:flex;align-items:center;gap:.5rem;white-space:nowrap">'
        f"{_swatch((colours or {})[label]) if label in (colours or {}) else ''}{escape(value)}</div></div>"
        for label, value in values.items()
    )
    st.html(f'<div style="display:flex;flex-wrap:wrap;gap:.8rem 1.6rem">{blocks}</div>')


def small_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    texts: int = 1,
    colours: Sequence[str | None] = (),
    bold: Sequence[bool] = (),
) -> None:
    """A table of a few rows. The first `texts` columns are text, the others numbers, set to the right.

    `colours` puts a segment's colour before the first cell of each row; `bold` marks rows that stand out. A first
    column without a head holds signs, and the second one then names the row.
    """
    contents = [[escape(cell) for cell in row] for row in rows]
    for row, colour in zip(contents, [*colours, *[None] * (len(rows) - len(colours))] if colours else [], strict=False):
        row[0] = _marked(row[0], colour)
    weights = [650 if is_bold else 400 for is_bold in [*bold, *[False] * (len(rows) - len(bold))]]
    body = "".join(
        _row("td", row, texts, f"font-weight:{weight}", head) for row, weight in zip(contents, weights, strict=True)
    )
    names = [escape(name) for name in head]
    header = f"<thead>{_row('th', names, texts, 'opacity:.75', head)}</thead>" if any(head) else ""
    is_wide = len(head) + texts > _MOST_ON_A_PHONE
    st.html(
        f'{_PHONE if is_wide else ""}<div style="overflow-x:auto"><table{" class=amz-wide" if is_wide else ""} '
        f'style="border-collapse:collapse;width:100%;font-size:.95rem">{header}<tbody>{body}</tbody></table></div>'
    )


def _row(tag: str, contents: Sequence[str], texts: int, style: str, head: Sequence[str]) -> str:
    title = 0 if head[0] else 1
    cells = []
    for place, (name, content) in enumerate(zip(head, contents, strict=True)):
        kind = "amz-title" if place == title else "amz-mark" if place < title else ""
        looks = f"{_CELL};{_TEXT if place < texts else _NUMBER};{style}"
        cells.append(f'<{tag} class="{kind}" data-head="{escape(name)}" style="{looks}">{content}</{tag}>')
    return f"<tr>{''.join(cells)}</tr>"


def _marked(content: str, colour: str | None) -> str:
    mark = _swatch(colour) if colour else '<span style="flex:none;width:.8em"></span>'
    return f'<span style="display:flex;align-items:baseline;gap:.5rem">{mark}<span>{content}</span></span>'


def _swatch(colour: str) -> str:
    return (
        f'<span aria-hidden="true" style="flex:none;width:.8em;height:.8em;border-radius:.2em;background:{colour};'
        f'{_OUTLINE}"></span>'
    )
