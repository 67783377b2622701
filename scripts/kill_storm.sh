#!/usr/bin/env bash
# usage: scripts/kill_storm.sh [--kills N] [--seconds S] [--seed N] [--quiet]
#
# Builds and runs the kill storm: eight workers call three segments at random and are killed at any moment. Prints
# progress and what was hit; exit 0 only if nobody hung, nothing was torn and nothing committed was lost. 10,000 kills
# take one to four minutes. All options are the program's own (tests/crash/kill_storm.cpp).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

case ${1:-} in
  -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
esac
accept_only "--kills --seconds --seed" "--quiet" "$@"

say "building the storm (logs: build/logs)"
need_cpp
quietly crash-configure cmake -S "$ROOT" -B "$ROOT/build/crash" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DFORKLORE_TESTS=ON || exit 1
quietly crash-build cmake --build "$ROOT/build/crash" --target kill_storm || exit 1
exec "$ROOT/build/crash/tests/crash/kill_storm" "$@"
