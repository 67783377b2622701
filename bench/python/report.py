"""What the figures say: ratios first, the bars, then nanoseconds; as a table, as Markdown and as a picture."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bars import Bar, as_markdown, as_table, digits, verdicts
from rich.console import Console

WIDTH = 170  # of the tables as text


class Figures:
    """The results of a run, as results.json has them."""

    def __init__(self, results: dict[str, Any]) -> None:
        self.results = results
        self.titles: dict[str, str] = {name: rival["title"] for name, rival in results["rivals"].items()}
        self.kinds: dict[str, dict[str, Any]] = results["kinds"]
        self.ns: dict[tuple[str, str, str], float] = {
            (case["rival"], case["kind"], case["call"]): case["ns"] for case in results["cases"]
        }

    def family(self, django: bool) -> list[str]:
        """The rivals raw or through Django, Forklore first."""
        return [name for name in self.titles if name.startswith("django-") == django]

    def columns(self) -> list[tuple[str, str]]:
        """(kind, call) in the order of the run."""
        return list(dict.fromkeys((case["kind"], case["call"]) for case in self.results["cases"]))

    def ratio(self, rival: str, other: str, kind: str, call: str) -> float | None:
        """How many times as long as the other's its call takes."""
        mine, others = self.ns.get((rival, kind, call)), self.ns.get((other, kind, call))
        return None if mine is None or others is None else mine / others

    def heading(self, kind: str, call: str) -> str:
        return f"{call}, {self.kinds[kind]['title']}" if call in ("get", "set") else call


def bars(figures: Figures) -> list[Bar]:
    """Those that this run has the figures for."""
    found: list[Bar] = []

    def hold(
        promise: str, over: str, under: str, kind: str, call: str, most: float | None = None, least: float | None = None
    ) -> None:
        ratio = figures.ratio(over, under, kind, call)
        if ratio is not None:
            found.append(Bar(promise, ratio, most, least))

    for kind in ("str", "text", "bytes"):
        title = figures.kinds.get(kind, {}).get("title", "")
        hold(f"get, {title}: times dict.get", "forklore", "dict", kind, "get", most=8)
    for kind, about in figures.kinds.items():
        for call in ("get", "set"):
            least = 4.0 if about["plain"] else 1.0
            what = f"Django {call}, {about['title']}: times as fast as LocMemCache"
            hold(what, "django-locmem", "django-forklore", kind, call, least=least)
    # Not of what is pickled: that alone is more than a fortieth of a server's answer.
    for rival in ("django-redis", "django-pylibmc", "django-pymemcache"):
        for kind, about in figures.kinds.items():
            for call in ("get", "set") if about["plain"] else ():
                what = f"Django {call}, {about['title']}: times as fast as {figures.titles.get(rival)}"
                hold(what, rival, "django-forklore", kind, call, least=40)
    return found


def rows(figures: Figures, django: bool, relative: bool) -> tuple[list[str], list[list[str]]]:
    """Heading and cells of one family: a row for each call, a column for each rival."""
    names = figures.family(django)
    first = names[0] if names else ""
    lines = []
    for kind, call in figures.columns():
        measured = [figures.ns.get((name, kind, call)) for name in names]
        if all(ns is None for ns in measured):
            continue
        cells = [figures.heading(kind, call)]
        for name, ns in zip(names, measured, strict=True):
            ratio = figures.ratio(name, first, kind, call)
            if ns is None or (relative and ratio is None):
                cells.append("")
            elif relative and name != first:
                cells.append(f"{ratio:.2g}" if ratio < 10 else f"{ratio:,.0f}")
            else:
                cells.append(f"{ns:,.0f} ns" if relative else f"{ns:,.0f}")
        lines.append(cells)
    return ["", *(figures.titles[name] for name in names)], lines


def gets_beside_many(figures: Figures) -> tuple[list[str], list[list[str]]]:
    """Heading and cells: a row for each rival that reads many keys in one call."""
    counts = list(dict.fromkeys(call.split()[0] for _, call in figures.columns() if call.endswith(" gets")))
    lines = []
    for name in figures.titles:
        pairs = [
            (figures.ns.get((name, "str", f"{n} gets")), figures.ns[name, "str", f"get_many of {n}"])
            for n in counts
            if (name, "str", f"get_many of {n}") in figures.ns
        ]
        if pairs and all(gets for gets, _ in pairs):
            lines.append([name, *(digits(gets / many) for gets, many in pairs)])
    return ["", *(f"{n} keys" for n in counts)], lines


def tables(figures: Figures) -> list[tuple[str, list[str], list[list[str]]]]:
    made = []
    for relative in (True, False):
        for django in (False, True):
            heading, lines = rows(figures, django, relative)
            where = "through Django's caches[...]" if django else "without Django"
            what = "Times as long as the first" if relative else "Nanoseconds a call"
            if lines and (not relative or len(heading) > 2):
                made.append((f"{what}, {where}", heading, lines))
        if relative and (beside := gets_beside_many(figures))[1]:
            made.append(("Times as long as one get_many that as many gets take", *beside))
    return made


def markdown_of(figures: Figures, notes: list[str]) -> str:
    parts = [as_markdown(*one) for one in tables(figures)]
    if found := bars(figures):
        parts.append(as_markdown("Bars", *verdicts(found)))
    return "\n\n".join([*parts, *notes]) + "\n"


def print_all(figures: Figures, notes: list[str], console: Console) -> None:
    made = tables(figures)
    found = bars(figures)
    for number, (title, heading, lines) in enumerate(made):
        console.print(as_table(title, heading, lines), highlight=False)
        if found and number + 1 == sum(title.startswith("Times") for title, _, _ in made):
            console.print(as_table("Bars", *verdicts(found)), highlight=False)
    for note in notes:
        console.print(note, highlight=False)


def picture(figures: Figures, path: Path) -> None:
    """get and set of each family, a group of bars for each kind of value."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    families = [django for django in (False, True) if figures.family(django)]
    made, axes = pyplot.subplots(
        len(families), 2, figsize=(16, 5.2 * len(families)), squeeze=False, layout="constrained"
    )
    for row, django in enumerate(families):
        names = figures.family(django)
        for column, call in enumerate(("get", "set")):
            axis = axes[row][column]
            width = 0.85 / len(names)
            for i, name in enumerate(names):
                drawn = [(x, figures.ns.get((name, kind, call))) for x, kind in enumerate(figures.kinds)]
                places = [x + (i - len(names) / 2 + 0.5) * width for x, ns in drawn if ns is not None]
                axis.bar(places, [ns for _, ns in drawn if ns is not None], width, label=figures.titles[name],
                         color="black" if i == 0 else pyplot.cm.tab10((i - 1) % 10))  # fmt: skip
            axis.set_yscale("log")
            axis.set_ylabel("nanoseconds a call")
            labels = [kind["title"].replace(" ", "\n", 1) for kind in figures.kinds.values()]
            axis.set_xticks(range(len(labels)), labels)
            axis.set_title(f"{call}, {'through Django' if django else 'without Django'}")
            axis.grid(axis="y", alpha=0.3)
        axes[row][1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small")
    made.suptitle(f"What a call costs from Python. {figures.results['machine']}, {figures.results['date']}")
    made.savefig(path, dpi=110)
    pyplot.close(made)


def notes_of(results: dict[str, Any]) -> list[str]:
    versions = ", ".join(dict.fromkeys(rival["version"] for rival in results["rivals"].values() if rival["version"]))
    said = [f"Left out: {title}; {why}." for title, why in results["left_out"].items()]
    said.append(
        f"Medians of {results['rounds']} rounds in turns, less the empty loop. {results['machine']}, "
        f"{results['date']}. {results['software']}; {versions}."
    )
    return said


def write(results: dict[str, Any], out: Path, console: Console) -> bool:
    """Shows the tables and keeps them beside results.json. Whether all bars that could be looked at are met."""
    figures, notes = Figures(results), notes_of(results)
    print_all(figures, notes, console)
    with (out / "table.txt").open("w") as file:
        print_all(figures, notes, Console(file=file, width=WIDTH))
    (out / "table.md").write_text(markdown_of(figures, notes))
    try:
        picture(figures, out / "plot.png")
    except ImportError as error:
        console.print(f"No picture: {error}.", highlight=False)
    return all(bar.met for bar in bars(figures))


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes tables and picture anew from the results of a run.")
    parser.add_argument("results", type=Path, help="results.json; the rest is written beside it")
    path = parser.parse_args().results
    return 0 if write(json.loads(path.read_text()), path.parent, Console(width=WIDTH)) else 1


if __name__ == "__main__":
    sys.exit(main())
