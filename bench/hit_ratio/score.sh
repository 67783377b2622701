#!/usr/bin/env bash
# usage: bench/hit_ratio/score.sh --traces FOLDER [--shapes FOLDER] [--plot FOLDER] [--out FOLDER]
#
# One figure for all that is missed. Plays real traces and made shapes at a segment of 5, 10 and 25 % of their
# footprint, and prints the mean score (0: as FIFO, 1: as Belady's policy), beside textbook policies, and where Forklore
# misses the most beside LRU, FIFO and the best of them. Installs what it needs. Two minutes, and four more for the
# shapes if they have yet to be made.
#
#   --traces FOLDER  with NAME.csv.xz, and the policies' figures, miss_ratios.csv
#   --shapes FOLDER  the shapes of shapes.sh, which are made if they are not there (default build/shapes)
#   --plot FOLDER    a PNG for each kind of trace
#   --out FOLDER     where score.txt and score.json are kept (default build/hit-ratio)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/setup.sh"

case ${1:-} in
  -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
esac
accept_only "--traces --shapes --plot --out" "" "$@"
[[ " $* " == *" --traces "* ]] || fail "--traces FOLDER is needed; --help says what lies in it"
shapes=$ROOT/build/shapes
for ((i = 1; i < $#; ++i)); do [ "${!i}" != --shapes ] || shapes=${@:i+1:1}; done

say "setting up (logs: build/logs)"
setup
quietly score-pip "$ROOT/.venv/bin/pip" install -r "$ROOT/bench/hit_ratio/requirements.txt" || exit 1
quietly hit-ratio-configure cmake -S "$ROOT" -B "$ROOT/build/hit-ratio" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DFORKLORE_TESTS=OFF -DFORKLORE_EXAMPLES=OFF || exit 1
quietly hit-ratio-build cmake --build "$ROOT/build/hit-ratio" --target replay || exit 1
[ -f "$shapes/miss_ratios.csv" ] || "$ROOT/bench/hit_ratio/shapes.sh" "$shapes"
exec "$ROOT/.venv/bin/python" -B "$ROOT/bench/hit_ratio/score.py" --out "$ROOT/build/hit-ratio" --shapes "$shapes" \
  --programs "$ROOT/build/hit-ratio/bench/hit_ratio" "$@"
