#!/usr/bin/env bash
# usage: scripts/instruction_counts.sh [--accept] [--build FOLDER]
#
# Counts the instructions of a get, a set and the like (valgrind's callgrind), and holds them against those in
# tests/instructions/counts.txt: one that has grown by more than 3 % is an error. So a slower change is seen without
# measuring time. The counts are those of g++ 12 for x86-64 with -O3; with another compiler nothing is held.
#
#   --accept         writes what is counted to tests/instructions/counts.txt, for a change that is worth it
#   --build FOLDER   a Release build (default build/test, which is made if need be)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

counts=$ROOT/tests/instructions/counts.txt build=$ROOT/build/test accept=no allowed=3
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
    --accept) accept=yes ;;
    --build) [ $# -gt 1 ] || fail "--build needs a folder"; build=$2; shift ;;
    *) fail "unknown option $1; --help lists them" ;;
  esac
  shift
done

need_cpp
need valgrind=valgrind
[ -f "$build/CMakeCache.txt" ] || quietly counts-configure cmake -S "$ROOT" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DFORKLORE_TESTS=ON
compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
if [ "$(uname -m)" != x86_64 ] || ! "$compiler" --version | head -n 1 | grep -Eq '(g\+\+|c\+\+) .* 12\.'; then
  say "the counts are those of g++ 12 for x86-64, and this is $("$compiler" --version | head -n 1) for $(uname -m): not held"
  exit 0
fi
grep -qx 'CMAKE_BUILD_TYPE:STRING=Release' "$build/CMakeCache.txt" || fail "$build is no Release build"
quietly counts-build cmake --build "$build" --target instruction_calls || exit 1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grown=no
for call in get set increment miss get_many; do
  made=$(valgrind --tool=callgrind --callgrind-out-file="$work/$call" --toggle-collect=counted_calls \
    "$build/tests/instructions/instruction_calls" "$call" 2>"$work/$call.log") || { cat "$work/$call.log"; exit 1; }
  all=$(sed -n 's/.*Collected : //p' "$work/$call.log")
  now=$((all / made))
  printf '%s %d\n' "$call" "$now" >>"$work/now"
  was=$(sed -n "s/^$call //p" "$counts" 2>/dev/null || true)
  change=$(awk -v now="$now" -v was="${was:-$now}" 'BEGIN { printf "%+.1f", 100 * (now - was) / was }')
  printf '%-10s %6d instructions a call, %s %%\n' "$call" "$now" "$change"
  if awk -v change="$change" -v allowed=$allowed 'BEGIN { exit !(change > allowed) }'; then
    grown=yes
    echo "error: $call takes $now instructions; ${counts#"$ROOT/"} says $was, and $allowed % more are allowed" >&2
  elif awk -v change="$change" -v allowed=$allowed 'BEGIN { exit !(change < -allowed) }'; then
    echo "  $call has become faster: scripts/instruction_counts.sh --accept holds it there"
  fi
done
if [ $accept = yes ]; then
  cp "$work/now" "$counts"
  say "written: ${counts#"$ROOT/"}"
elif [ $grown = yes ]; then
  echo "callgrind_annotate shows where (README of valgrind); if the change is worth it: scripts/instruction_counts.sh --accept" >&2
  exit 1
fi
