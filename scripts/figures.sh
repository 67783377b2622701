#!/usr/bin/env bash
# usage: scripts/figures.sh
#
# Writes the first table of docs/figures.md anew: how many entries 64 MiB hold. A minute, and a build of one test.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
case ${1:-} in
  "") ;;
  -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
  *) fail "unknown option $1; --help lists them" ;;
esac
cd "$ROOT"
need_cpp
BUILD=$ROOT/build/figures
quietly figures-configure cmake -S . -B "$BUILD" -G Ninja -DCMAKE_BUILD_TYPE=Release -DFORKLORE_TESTS=ON
quietly figures-build cmake --build "$BUILD" --target sizing_test
rows=$("$BUILD/tests/sizing_test" | grep '^| ') || fail "sizing_test printed no rows"  # it may find the page outdated
ROWS=$rows python3 - docs/figures.md <<'PYTHON'
import os, re, sys
from pathlib import Path

page = Path(sys.argv[1])
text, n = re.subn(r"(<!-- sizing_test -->\n(?:\|.*\n){2})(?:\|.*\n)*", lambda m: m[1] + os.environ["ROWS"] + "\n", page.read_text())
if n != 1:
    sys.exit(f"{page} has no table behind <!-- sizing_test -->")
page.write_text(text)
PYTHON
say "docs/figures.md is written"
