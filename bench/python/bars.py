"""What is promised of a run and whether it was kept, and tables for the screen and as Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table


def digits(figure: float) -> str:
    return f"{figure:.2f}" if figure < 10 else f"{figure:,.1f}"


@dataclass(frozen=True)
class Bar:
    """What is promised, and what was measured: it is to be at most or at least so much. The spread is the lowest and
    the highest of the rounds, where they are known one by one."""

    promise: str
    figure: float
    most: float | None = None
    least: float | None = None
    spread: tuple[float, float] | None = None

    @property
    def met(self) -> bool:
        return (self.most is None or self.figure <= self.most) and (self.least is None or self.figure >= self.least)

    @property
    def cells(self) -> list[str]:
        wanted = f"at most {self.most:g}" if self.most is not None else f"at least {self.least:g}"
        measured = digits(self.figure)
        if self.spread:
            measured += f" ({digits(self.spread[0])} to {digits(self.spread[1])})"
        return [self.promise, wanted, measured, "met" if self.met else "MISSED"]


def verdicts(found: list[Bar]) -> tuple[list[str], list[list[str]]]:
    """Heading and cells: a row for each bar."""
    return ["bar", "wanted", "measured", "verdict"], [bar.cells for bar in found]


def as_table(title: str, heading: list[str], lines: list[list[str]]) -> Table:
    table = Table(*heading, title=title)
    for cells in lines:
        table.add_row(*cells)
    return table


def as_markdown(title: str, heading: list[str], lines: list[list[str]]) -> str:
    cells = [heading, ["---", *["---:"] * (len(heading) - 1)], *lines]
    return f"{title}:\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in cells)
