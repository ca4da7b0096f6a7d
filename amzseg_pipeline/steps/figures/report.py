"""The report of a run: one self-contained, printable HTML page with facts, contents and plots."""

import base64
import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ReportSection:
    """One group of the report: facts by name, plots with their images, and skipped plots.

    `plots` are dictionaries of name, title, caption; `missing` of name, reason, is_fault.
    """

    group: str
    facts: Mapping[str, str]
    plots: tuple[Mapping[str, Any], ...]
    missing: tuple[Mapping[str, Any], ...]
    images: Mapping[str, bytes]


_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.5rem 4rem; color: #222; background: #fff;
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { margin: 0 0 .2rem; font-size: 1.9rem; line-height: 1.2; }
h2 { margin: 3rem 0 1rem; padding-bottom: .3rem; border-bottom: 2px solid #0173b2; font-size: 1.45rem; }
a { color: #01598a; text-decoration: none; }
a:hover { text-decoration: underline; }
.run { margin: 0 0 1.5rem; color: #6b6b6b; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .35rem .6rem .35rem 0; border-bottom: 1px solid #e6e6e6; text-align: left; vertical-align: top; }
th { width: 14rem; font-weight: 600; }
td { overflow-wrap: anywhere; }
td p { margin: 0 0 .2rem; }
nav h3 { margin: 1.2rem 0 .2rem; font-size: 1rem; }
nav ol { margin: 0; padding-left: 2.2rem; }
figure { margin: 0 0 2.5rem; break-inside: avoid; }
figure img { display: block; width: 100%; max-width: 52rem; height: auto; }
figcaption { max-width: 52rem; margin-top: .4rem; padding-left: .8rem; border-left: 3px solid #c9d9e6; }
.missing { color: #555; }
.fault { color: #a33c00; font-weight: 600; }
@media (max-width: 40rem) {
  body { padding: 1rem 1rem 3rem; }
  h1 { font-size: 1.5rem; }
  th, td { display: block; width: auto; padding-right: 0; }
  th { padding-bottom: 0; border-bottom: 0; }
}
@page { margin: 16mm 14mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  h2 { break-before: page; margin-top: 0; }
  nav { break-before: page; }
  figure { margin-bottom: 7mm; }
  figure img { max-height: 92mm; width: auto; max-width: 100%; }
  th { width: 9rem; }
  a { color: inherit; }
}
"""


def report_page(sections: list[ReportSection], *, run_id: str, made_at: str) -> str:
    """The page as HTML; all text from data is escaped."""
    title = "Customer segments: report of a run"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{_STYLE}</style></head><body>",
            f"<header><h1>{title}</h1>",
            f'<p class="run">{html.escape(made_at)}</p></header>',
            "<main>",
            _facts(sections, run_id),
            _contents(sections),
            *(_section(section) for section in sections),
            "</main></body></html>",
            "",
        ]
    )


def _facts(sections: list[ReportSection], run_id: str) -> str:
    facts = [fact for section in sections for fact in section.facts.items()]
    rows = [
        f"<tr><th scope=row>{html.escape(name)}</th><td>{_lines(fact)}</td></tr>"
        for name, fact in [*facts, ("Run", run_id)]
    ]
    return "<section id=facts><table>" + "".join(rows) + "</table></section>"


def _lines(fact: str) -> str:
    return "".join(f"<p>{html.escape(line)}</p>" for line in fact.splitlines())


def _contents(sections: list[ReportSection]) -> str:
    lists = [
        f"<h3><a href='#{section.group}'>{section.group.capitalize()}</a></h3><ol>"
        + "".join(
            f"<li><a href='#{html.escape(_anchor(section, plot))}'>{html.escape(plot['title'])}</a></li>"
            for plot in section.plots
        )
        + "</ol>"
        for section in sections
        if section.plots
    ]
    return "<nav><h2>Contents</h2>" + "".join(lists) + "</nav>"


def _section(section: ReportSection) -> str:
    figures = [
        f"<figure id='{html.escape(_anchor(section, plot))}'>"
        f"<img alt='{html.escape(plot['title'])}' loading=lazy "
        f"src='data:image/png;base64,{base64.b64encode(section.images[plot['name']]).decode()}'>"
        f"<figcaption>{html.escape(plot['caption'])}</figcaption></figure>"
        for plot in section.plots
    ]
    missing = [
        f"<li{' class=fault' if absent['is_fault'] else ''}>{html.escape(absent['name'].replace('_', ' '))}: "
        f"{html.escape(absent['reason'])}</li>"
        for absent in section.missing
    ]
    skipped = f"<div class=missing><p>Skipped plots:</p><ul>{''.join(missing)}</ul></div>" if missing else ""
    return f"<section><h2 id='{section.group}'>{section.group.capitalize()}</h2>{''.join(figures)}{skipped}</section>"


def _anchor(section: ReportSection, plot: Mapping[str, Any]) -> str:
    return f"{section.group}-{plot['name']}"
