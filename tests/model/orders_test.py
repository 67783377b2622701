#!/usr/bin/env python3
"""orders_test.py PROGRAM: the models speak of the code as it is. Every order that PROGRAM --orders names stands in the
function that it names, and every function in src/ with an order that is more than relaxed is named, or below."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = [*sorted((ROOT / "src/store").glob("*.[ch]pp")), *sorted((ROOT / "src/base").glob("robust_lock.*"))]
NOT_MODELLED = {
    "set_due count_in give_to_index give_to_main begin_move end_move free": (
        "release for the order in which a death leaves stores, no more"
    ),
    "attempt_plain append_plain": "as attempt() and append() have it, of plain entries",
    "know": "for the order in which a fork finds a process's own memory",
    "set_pending clear_pending": "for this thread and the kernel, at its death",
    "acquire_contended release_contended": "acquire_lock() and release_lock(), when others want the lock",
    "set_clean": "the file is written to disk before and after",
    "extend": "as Leases::acquire() stores a deadline",
    "find_locks see_lock": "read a line as find_flight() does, and its deadline as holds() does",
}
FUNCTION = re.compile(
    r"^ *(?!return |else )[\w\[][\w:<>&*,\[\] ]*?[ &*](?:\w+::)*(\w+)\([^;{}]*\)[^;{}]*\{", re.MULTILINE
)
ORDER = re.compile(r"memory_order_(acquire|release|acq_rel|seq_cst)")


def functions() -> dict[str, list[str]]:
    """The bodies of all functions of a name."""
    found: dict[str, list[str]] = {}
    for path in FILES:
        text = re.sub(r"//.*", "", path.read_text())
        for match in FUNCTION.finditer(text):
            if match[1] in ("if", "for", "while", "switch", "alignas"):
                continue
            depth, end = 1, match.end()
            while depth > 0:
                depth += {"{": 1, "}": -1}.get(text[end], 0)
                end += 1
            found.setdefault(match[1], []).append(text[match.end() : end])
    return found


def main() -> int:
    names = subprocess.run([sys.argv[1], "--orders"], check=True, capture_output=True, text=True).stdout.split("\n")
    bodies, faults, named = functions(), [], set()
    for name in sorted(set(filter(None, names))):
        where, _, what = name.partition("(): ")
        function = where.rpartition("::")[2]
        named.add(function)
        order = what.rpartition(" ")[2]
        orders = {"acquire": {"acquire", "acq_rel", "seq_cst"}, "release": {"release", "acq_rel", "seq_cst"}}
        wanted = orders.get(order, {order} if order == "seq_cst" else set())
        if function not in bodies:
            faults.append(f"{name}: there is no such function")
        elif wanted and not any(wanted & set(ORDER.findall(body)) for body in bodies[function]):
            faults.append(f"{name}: the function has no such order")
    excused = set(" ".join(NOT_MODELLED).split())
    with_orders = {function for function, some in bodies.items() if any(ORDER.search(body) for body in some)}
    faults += [f"{function}() has an order that no model names" for function in sorted(with_orders - named - excused)]
    faults += [f"{function}() needs no excuse" for function in sorted(excused - with_orders | excused & named)]
    print("\n".join(faults), end="\n" if faults else "")
    print(f"{len(named)} functions named, {len(excused)} excused, {len(faults)} faults")
    return 1 if faults or not named else 0


if __name__ == "__main__":
    sys.exit(main())
