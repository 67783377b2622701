"""The page of the five problems: HTML with its pictures inside, so that it can be sent along."""

from __future__ import annotations

import html
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scenes import Take

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT, LEFT, BOTTOM = 560, 190, 46, 34
LOADS = 58  # the height of the lane in which the queries stand
STYLE = """
:root { color-scheme: light dark; --text: #1a1a1a; --soft: #667; --line: #ccd; --back: #fff; --card: #f6f7fa;
  --query: #c8371b; --request: #3b6ea8; --good: #1f7a3d; --bad: #c8371b; }
@media (prefers-color-scheme: dark) { :root { --text: #e8e8ea; --soft: #9aa; --line: #445; --back: #15171c;
  --card: #1e2129; --query: #ff7a5c; --request: #7fb2ea; --good: #6fd08c; --bad: #ff7a5c; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); margin: 0 auto;
  max-width: 1220px; padding: 1.5rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin: 2.2rem 0 0.2rem; }
p { margin: 0.2rem 0 0.6rem; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); gap: 1rem; }
.card { background: var(--card); border-radius: 8px; padding: 0.7rem 0.9rem; overflow-x: auto; }
.card b { display: block; } .good { color: var(--good); } .bad { color: var(--bad); } .soft { color: var(--soft); }
svg { width: 100%; height: auto; display: block; } pre { font-size: 13px; margin: 0.3rem 0; white-space: pre-wrap; }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
.query { fill: var(--query); } .request { fill: var(--request); fill-opacity: 0.55; }
.axis { stroke: var(--line); } .mark { stroke: var(--text); stroke-dasharray: 3 3; }
"""


def picture(take: Take, longest: float, slowest: float) -> str:
    """Above, the queries of the database, on one another where they come together; below, each request by when it was
    sent and how long its answer took."""
    right, floor = WIDTH - 10, HEIGHT - BOTTOM

    def x(seconds: float) -> float:
        return LEFT + (right - LEFT) * seconds / longest

    def y(seconds: float) -> float:
        return floor - (floor - LOADS - 14) * seconds / slowest

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(take.said)}">']
    parts += [f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{at}" y2="{at}"/>' for at in (LOADS, floor)]
    parts.append(f'<text x="2" y="{LOADS - 4}">queries</text><text x="2" y="{LOADS + 24}">{slowest:.1f} s</text>')
    parts.append(f'<text x="2" y="{floor}">0 s</text>')
    parts += [f'<circle class="request" cx="{x(sent):.1f}" cy="{y(took):.1f}" r="2"/>' for sent, took in take.requests]
    above: dict[int, int] = {}
    for when in take.loads:
        column = int(x(when)) // 5
        above[column] = above.get(column, 0) + 1
        top = max(LOADS - 5 * above[column] - 1, 2)
        parts.append(f'<rect class="query" x="{column * 5}" y="{top}" width="4" height="4"/>')
    for place, (when, words) in enumerate(take.marks):
        end = ' text-anchor="end"' if when > longest / 2 else ""
        parts.append(f'<line class="mark" x1="{x(when):.1f}" x2="{x(when):.1f}" y1="4" y2="{floor}"/>')
        beside, below = x(when) + (-4 if end else 4), LOADS + 12 * (place + 1)
        parts.append(f'<text x="{beside:.1f}" y="{below}"{end}>{html.escape(words)}</text>')
    step = next(step for step in (0.1, 0.25, 0.5, 1, 2, 5, 10, 60) if longest / step <= 8)
    for tick in range(int(longest / step) + 1):
        parts.append(f'<text x="{x(tick * step):.1f}" y="{floor + 14}" text-anchor="middle">{tick * step:g}</text>')
    parts.append(f'<text x="{right}" y="{HEIGHT - 4}" text-anchor="end">seconds</text></svg>')
    return "".join(parts)


def cards(both: dict[str, Take]) -> str:
    longest = max((sent + took for take in both.values() for sent, took in take.requests), default=1.0)
    slowest = max((took for take in both.values() for _, took in take.requests), default=1.0)
    made = []
    for way, title in (("without", "without"), ("with", "with Forklore")):
        take = both[way]
        colour = "good" if take.holds else "bad"
        made.append(f'<div class="card"><b>{title}: <span class="{colour}">{html.escape(take.said)}</span></b>'
                    f"{picture(take, longest, slowest)}</div>")  # fmt: skip
    return f'<div class="two">{"".join(made)}</div>'


def code(file: str) -> str:
    return f"<pre>{html.escape((HERE / 'shop' / file).read_text().partition(chr(10) * 2)[2])}</pre>"


def write_page(path: Path, takes: dict[str, dict[str, Take]], scenes: dict[str, Callable[..., Any]]) -> None:
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Five problems of a shared cache</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style></head><body><h1>Five problems of a shared cache</h1>",
        '<p class="soft">A shop at Django under gunicorn with 4 workers of 4 threads; a query takes 100 ms. '
        "Squares are queries; dots are requests, by when they were sent and how long the answer took.</p>",
    ]
    for name, both in takes.items():
        parts += [f"<h2>{html.escape(name.capitalize())}</h2><p>{html.escape(inspect.getdoc(scenes[name]) or '')}</p>"]
        parts.append(cards(both))
    parts.append('<h2>The code</h2><div class="two">')
    for title, file in (("without", "without.py"), ("with Forklore", "with_forklore.py")):
        parts.append(f'<div class="card"><b>{title}</b>{code(file)}</div>')
    parts.append('</div><p class="soft">The avalanche takes no code: TTL_JITTER in the settings spreads it.</p>')
    parts.append("</body></html>")
    path.write_text("".join(parts))
