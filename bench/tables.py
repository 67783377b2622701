"""The tables of the benches: shown, and kept as text and as Markdown."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table


def write_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str], out: Path, width: int
) -> None:
    """Shows the table with its notes, and keeps it in the folder out as table.txt (of that width) and table.md."""
    table = Table(*headers)
    for cells in rows:
        table.add_row(*cells)
    with (out / "table.txt").open("w") as file:
        for console in (Console(width=None if sys.stdout.isatty() else width), Console(file=file, width=width)):
            console.print(table, *notes, sep="\n", highlight=False)
    lines = [headers, ["---"] * len(headers), *rows]
    markdown = [f"| {' | '.join(cells)} |" for cells in lines]
    (out / "table.md").write_text("\n".join([*markdown, "", *notes, ""]))
