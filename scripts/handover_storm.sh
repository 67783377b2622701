#!/usr/bin/env bash
# usage: scripts/handover_storm.sh [--handovers N] [--seed N] [--beyond-lines] [--quiet]
#
# Builds and runs the handover storm: eight processes hand a lock, a semaphore and a computation to each other, while one
# of them is killed again and again, mostly the holder. Prints progress and how long a dead holder's next one waited;
# exit 0 only if two never held at once and nobody hung. 100,000 handovers, unless told otherwise, take some minutes. All
# options are the program's own (tests/crash/handover_storm.cpp).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

case ${1:-} in
  -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
esac
accept_only "--handovers --seed" "--beyond-lines --quiet" "$@"

say "building the storm (logs: build/logs)"
need_cpp
quietly crash-configure cmake -S "$ROOT" -B "$ROOT/build/crash" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DFORKLORE_TESTS=ON || exit 1
quietly crash-build cmake --build "$ROOT/build/crash" --target handover_storm || exit 1
exec "$ROOT/build/crash/tests/crash/handover_storm" --handovers 100000 "$@"
