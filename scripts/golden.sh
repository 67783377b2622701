#!/usr/bin/env bash
# usage: scripts/golden.sh
#
# Makes the golden segment of the present format, tests/golden/format-N.segment: a small segment with an entry of each
# kind. Run it once when the format is raised, and commit the file; those of the formats before stay as they are.
# golden_test opens copies of all.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
case ${1:-} in
  "") ;;
  -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
  *) fail "unknown option $1; --help lists them" ;;
esac
cd "$ROOT"
need_cpp
BUILD=$ROOT/build/figures  # the one of scripts/figures.sh, which builds as little
quietly golden-configure cmake -S . -B "$BUILD" -G Ninja -DCMAKE_BUILD_TYPE=Release -DFORKLORE_TESTS=ON
quietly golden-build cmake --build "$BUILD" --target write_golden
made=$("$BUILD/tests/write_golden" tests/golden)
chmod 644 "$made"
say "$made is made; commit it"
