"""Draws the chart in the README: events persisted a second, on a logarithmic scale."""

import math
from collections.abc import Iterator
from html import escape
from typing import Any

from bench.contenders import BARE_LOOP, ONE_BY_ONE, OUR_NAME, PEER_NAMES, SIMPLE, STOCK
from bench.stage import ROUND_TRIP

_LINES = [
    OUR_NAME,
    BARE_LOOP,
    *(f"{peer}, best" for peer in PEER_NAMES),
    SIMPLE,
    ONE_BY_ONE,
    STOCK,
]
_WIDTH, _LEFT, _RIGHT = 760, 230, 80
_ROW, _BAR, _TOP = 26, 16, 44
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #57606a }
  .title { font-weight: 600 }
  .number { font-variant-numeric: tabular-nums }
  .ours { fill: #1a7f37 } .other { fill: #8c959f } .limit { fill: #bf8700 }
  @media (prefers-color-scheme: dark) { text { fill: #9198a1 } }
"""


def draw(figures: dict[str, Any]) -> str:
    """Draw two groups of bars: next to the gateway, and far from it."""
    groups = [
        ("events persisted a second, next to the gateway", figures["persist"]),
        (f"the same, with a round trip of {ROUND_TRIP} ms", figures["persist_far"]),
    ]
    height = (_TOP + _ROW * len(_LINES)) * len(groups) + _ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(groups[0][0])}</title>",
        f"<style>{_STYLE}</style>",
    ]
    top = 0
    for title, group in groups:
        parts += _group(title, group["lines"], top)
        top += _TOP + _ROW * len(_LINES)
    parts += [_text(_LEFT, top + 16, "logarithmic scale; medians of one run"), "</svg>"]
    return "\n".join(parts)


def _group(title: str, lines: dict[str, Any], top: int) -> Iterator[str]:
    yield _text(_LEFT, top + 26, title, "title")
    rates = {name: lines[name]["rate"] for name in _LINES if not math.isnan(lines[name]["rate"])}
    most = max(rates.values())
    for index, name in enumerate(_LINES):
        y = top + _TOP + _ROW * index
        yield _text(_LEFT - 10, y + 13, name, anchor="end")
        if name in rates:
            yield _bar(name, rates[name], most, y)


def _bar(name: str, rate: float, most: float, y: int) -> str:
    length = (_WIDTH - _LEFT - _RIGHT) * max(0.01, math.log10(max(rate, 1)) / math.log10(most))
    kind = "ours" if name == OUR_NAME else "limit" if name == BARE_LOOP else "other"
    bar = f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{length:.0f}" height="{_BAR}" rx="2"/>'
    return bar + _text(_LEFT + length + 8, y + 13, f"{rate:,.0f}", "number")


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'
