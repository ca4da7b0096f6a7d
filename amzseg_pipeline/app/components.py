"""Small HTML elements missing in Streamlit: a heading with the segment's colour, a bar of shares, facts, tables.

All text is escaped. Text from data, such as user ids, goes into st.dataframe instead.
"""

from collections.abc import Mapping, Sequence
from html import escape

import streamlit as st

from amzseg_pipeline.app.published_snapshot import ShownSnapshot
from amzseg_pipeline.presentation.formatting import markdown_escaped, percent

_BORDER_COLOUR = "color-mix(in srgb, currentColor 16%, transparent)"
_OUTLINE_STYLE = "box-shadow:0 0 0 1px color-mix(in srgb, currentColor 45%, transparent)"
_CELL_STYLE = f"padding:.42rem .9rem .42rem 0;border-bottom:1px solid {_BORDER_COLOUR};vertical-align:top"
_TEXT_STYLE = "text-align:left;overflow-wrap:break-word"
_NUMBER_STYLE = "text-align:right;font-variant-numeric:tabular-nums"
_MAX_PHONE_COLUMNS = 5
_PHONE_STYLE = (
    "<style>@media(max-width:640px){"
    ".amz-wide thead{display:none}"
    f".amz-wide tr{{display:block;padding:.55rem 0;border-bottom:1px solid {_BORDER_COLOUR}}}"
    ".amz-wide td{display:flex;justify-content:space-between;gap:1.2rem;border:0!important;padding:.12rem 0!important;"
    "text-align:right!important}"
    ".amz-wide td::before{content:attr(data-head);flex:none;opacity:.7;font-weight:400}"
    ".amz-wide td.amz-title{justify-content:start;font-weight:650!important;text-align:left!important}"
    ".amz-wide td.amz-title::before{content:none}"
    ".amz-wide td.amz-mark{float:left;width:1.5rem;justify-content:start}"
    ".amz-wide td.amz-mark::before{content:none}"
    "}</style>"
)
"""On a phone a wide table becomes a list: the first text of a row is its title, other cells are listed by name."""


def segment_heading(shown: ShownSnapshot, segment_id: str, *, note: str = "", level: int = 3) -> None:
    """A heading: the segment's colour and name, and a note."""
    size = {2: "1.35rem", 3: "1.1rem"}[level]
    st.html(
        f'<h{level} style="margin:0;padding:0;font-size:{size};font-weight:650;line-height:1.3;display:flex;'
        'flex-wrap:wrap;align-items:center;column-gap:.55rem">'
        f"{_swatch(shown.colours[segment_id])}<span>{escape(shown.name(segment_id))}</span>"
        f'<span style="font-weight:400;opacity:.75;font-size:.95rem">{escape(note)}</span></h{level}>'
    )


def share_bar(shown: ShownSnapshot, title: str, shares: Mapping[str, float]) -> None:
    """A stacked bar of a share (0 to 1) per segment, below its title and the shares in figures."""
    texts = {
        segment_id: f"{shown.name(segment_id)} {percent(share, decimals=1)}" for segment_id, share in shares.items()
    }
    parts = "".join(
        f'<span title="{escape(texts[segment_id])}" style="flex:{share:.6f} 0 0;min-width:2px;'
        f'background:{shown.colours[segment_id]}"></span>'
        for segment_id, share in shares.items()
        if share > 0
    )
    st.caption(markdown_escaped(f"{title}: {', '.join(texts.values())}"))
    st.html(
        f'<div role="img" aria-label="{escape(title)}" style="display:flex;gap:2px;height:1.4rem;'
        f'border-radius:.4rem;overflow:hidden;{_OUTLINE_STYLE}">{parts}</div>'
    )


def page_style(*, is_dark: bool) -> None:
    """Styles of every page: readable captions, visible keyboard focus, images that do not glare in the dark theme."""
    dark = '[data-testid="stImage"] img{filter:invert(.9) hue-rotate(180deg)}' if is_dark else ""
    st.html(
        "<style>"
        '[data-testid="stCaptionContainer"],[data-testid="stCaptionContainer"] *{color:inherit!important;'
        "opacity:1!important}"
        '[data-testid="stCaptionContainer"]{color:color-mix(in srgb,currentColor 80%,transparent)!important}'
        '[data-testid="stMain"] [data-testid="stPageLink"] p{text-decoration:underline}'
        # Colours of the syntax highlighting have contrasts down to 2.9.
        '[data-testid="stCode"] code span{color:inherit!important}'
        "a:focus-visible,button:focus-visible,[role=tab]:focus-visible,[role=radio]:focus-visible,summary:focus-visible{"
        "outline:3px solid var(--st-primary-color,#0168A3)!important;outline-offset:2px!important}"
        f"{dark}</style>"
    )


def facts(values: Mapping[str, str], *, colours: Mapping[str, str] | None = None) -> None:
    """Label and value pairs side by side, as many in a row as fit; `colours` puts a swatch before a value."""
    blocks = "".join(
        f'<div style="flex:1 1 8.5rem"><div style="font-size:.875rem;opacity:.75">{escape(label)}</div>'
        '<div style="font-size:1.15rem;font-weight:600;display:flex;align-items:center;gap:.5rem;white-space:nowrap">'
        f"{_swatch((colours or {})[label]) if label in (colours or {}) else ''}{escape(value)}</div></div>"
        for label, value in values.items()
    )
    st.html(f'<div style="display:flex;flex-wrap:wrap;gap:.8rem 1.6rem">{blocks}</div>')


def html_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    text_columns: int = 1,
    colours: Sequence[str | None] = (),
    bold: Sequence[bool] = (),
) -> None:
    """A table of a few rows.

    Args:
        header: column names; an empty first name marks a column of symbols, and the second column then names the row.
        rows: cells as text.
        text_columns: how many of the first columns are aligned left; the others hold numbers, aligned right.
        colours: the swatch before the first cell of each row.
        bold: which rows are bold.
    """
    contents = [[escape(cell) for cell in row] for row in rows]
    for row, colour in zip(contents, [*colours, *[None] * (len(rows) - len(colours))] if colours else [], strict=False):
        row[0] = _with_swatch(row[0], colour)
    weights = [650 if is_bold else 400 for is_bold in [*bold, *[False] * (len(rows) - len(bold))]]
    body = "".join(
        _row("td", row, header, text_columns=text_columns, style=f"font-weight:{weight}")
        for row, weight in zip(contents, weights, strict=True)
    )
    header_cells = [escape(name) for name in header]
    thead = _row("th", header_cells, header, text_columns=text_columns, style="opacity:.75") if any(header) else ""
    is_wide = len(header) + text_columns > _MAX_PHONE_COLUMNS
    st.html(
        f'{_PHONE_STYLE if is_wide else ""}<div style="overflow-x:auto"><table{" class=amz-wide" if is_wide else ""} '
        f'style="border-collapse:collapse;width:100%;font-size:.95rem">'
        f"{f'<thead>{thead}</thead>' if thead else ''}<tbody>{body}</tbody></table></div>"
    )


def _row(tag: str, contents: Sequence[str], header: Sequence[str], *, text_columns: int, style: str) -> str:
    title_column = 0 if header[0] else 1
    cells = []
    for column, (name, content) in enumerate(zip(header, contents, strict=True)):
        css_class = "amz-title" if column == title_column else "amz-mark" if column < title_column else ""
        cell_style = f"{_CELL_STYLE};{_TEXT_STYLE if column < text_columns else _NUMBER_STYLE};{style}"
        cells.append(f'<{tag} class="{css_class}" data-head="{escape(name)}" style="{cell_style}">{content}</{tag}>')
    return f"<tr>{''.join(cells)}</tr>"


def _with_swatch(content: str, colour: str | None) -> str:
    swatch = _swatch(colour) if colour else '<span style="flex:none;width:.8em"></span>'
    return f'<span style="display:flex;align-items:baseline;gap:.5rem">{swatch}<span>{content}</span></span>'


def _swatch(colour: str) -> str:
    return (
        f'<span aria-hidden="true" style="flex:none;width:.8em;height:.8em;border-radius:.2em;background:{colour};'
        f'{_OUTLINE_STYLE}"></span>'
    )
