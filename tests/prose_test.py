#!/usr/bin/env python3
"""prose_test.py [MOST]: no sentence has more than 30 words. It reads the pages, the comments in include, src and
bindings, and the docstrings of the Python package. A list item or a cell of a table is a sentence of its own. Code and
quotes count as one word, numbers as none."""

import ast
import inspect
import io
import re
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST = int(sys.argv[1]) if len(sys.argv) > 1 else 30
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(path for folder in ("docs", "bench", "examples", "tests") for path in (ROOT / folder).rglob("*.md")),
]


def blocks(text: str) -> list[str]:
    """Paragraphs, list items and cells, each with its line breaks gone."""
    text = re.sub(r"^```.*?^```$", "\n", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(\|.*)$", lambda row: "\n" + row[1].replace("|", "\n\n") + "\n", text, flags=re.MULTILINE)
    text = re.sub(r"^( *(?:[-*]|\d+\.) |#+ )", r"\n\1", text, flags=re.MULTILINE)
    return [" ".join(block.split()) for block in re.split(r"\n\s*\n", text)]


def comments(text: str) -> str:
    """A header's comments, one paragraph for each run of lines; one behind code is a new one."""
    found = []
    for line in text.splitlines():
        code, slashes, comment = line.partition("//")
        comment = comment.lstrip("/<")
        if not slashes or code.strip():
            found.append("")
        if slashes and not comment.startswith("   "):  # which is an example
            found.append(comment)
    return "\n".join(found)


def python_prose(text: str) -> str:
    """The docstrings of a module and its comments, one paragraph for each. Lines set in are an example."""
    found = []
    for node in ast.walk(ast.parse(text)):
        for part in getattr(node, "body", None) or [] if not isinstance(node, ast.Lambda | ast.IfExp) else []:
            if (
                isinstance(part, ast.Expr)
                and isinstance(part.value, ast.Constant)
                and isinstance(part.value.value, str)
            ):
                lines = inspect.cleandoc(part.value.value).splitlines()  # a row of a table has gaps
                found += ["", *(line if not re.search(r"\S  +\S", line) else "" for line in lines)]
    last = -2
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            follows = token.start[0] == last + 1 and not token.line[: token.start[1]].strip()
            found += ([] if follows else [""]) + [token.string.lstrip("# ")]
            last = token.start[0]
    return "\n".join(found)


def sentences(block: str) -> list[str]:
    block = re.sub(r"`[^`]*`|\"[^\"]*\"", "code", block)
    block = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", block)
    return re.split(r"(?<=[.!?:;])[\"')*]*\s+", block)


def main() -> int:
    texts = {path: path.read_text() for path in PAGES}
    code = [path for folder in ("include", "src", "bindings") for path in sorted((ROOT / folder).rglob("*.[ch]pp"))]
    texts |= {path: comments(path.read_text()) for path in code}
    texts |= {
        path: python_prose(path.read_text())
        for path in sorted((ROOT / "bindings").rglob("*.py*"))
        if path.suffix in (".py", ".pyi")
    }
    faults = [
        f"{path.relative_to(ROOT)}: {words} words: {sentence}"
        for path, text in texts.items()
        for block in blocks(text)
        for sentence in sentences(block)
        if (words := len(re.findall(r"[\w'-]*[A-Za-z][\w'-]*", sentence))) > MOST
    ]
    print("\n".join(faults), end="\n" if faults else "")
    print(f"{len(texts)} pages and sources, {len(faults)} sentences of more than {MOST} words")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
