#!/usr/bin/env bash
# usage: scripts/every_instruction.sh [--sample N] [--seed N] [--only TEXT] [--quiet] [--list]
#
# Builds and runs the death at every instruction: each kind of call is stepped through on the smallest segment, every
# distinct image of the segment is examined by another process, and real kills confirm it. Prints progress and a table;
# exit 0 only without faults. All of it takes some three minutes. Needs to be allowed to trace its own children. All
# options are the program's own (tests/crash/every_instruction.cpp).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

case ${1:-} in
  -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
esac
accept_only "--sample --seed --only" "--quiet --list" "$@"

say "building it (logs: build/logs)"
need_cpp
quietly crash-configure cmake -S "$ROOT" -B "$ROOT/build/crash" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DFORKLORE_TESTS=ON || exit 1
quietly crash-build cmake --build "$ROOT/build/crash" --target every_instruction || exit 1
exec "$ROOT/build/crash/tests/crash/every_instruction" "$@"
