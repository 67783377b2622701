#!/usr/bin/env bash
# usage: bench/hit_ratio/check_cuts.sh REPLAY [--write]
#
# Plays the cuts of traces with REPLAY, the program, and fails unless exactly those requests are missed that
# cuts/misses.txt says. After a change that is meant to miss others:
#
#   --write   takes what is missed now as right
set -euo pipefail
CUTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/cuts

case ${1:-} in
  "" | -*) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; [ "${1:-}" = --help ]; exit ;;
esac
case ${2:-} in
  "" | --write) ;;
  *) echo "error: unknown option $2; --help lists them" >&2; exit 1 ;;
esac

play() {
  local trace
  for trace in web12 orm_busy cpio; do
    xz -dc "$CUTS/$trace.csv.xz" | "$1" 2 10 25 | awk -v trace=$trace '{
      match($0, /object misses [0-9.]+  byte misses [0-9.]+/)
      print trace, $1 " %", substr($0, RSTART, RLENGTH) }'
  done
}

if [ "${2:-}" = --write ]; then
  play "$1" >"$CUTS/misses.txt"
else
  diff "$CUTS/misses.txt" <(play "$1") && echo "all is missed as cuts/misses.txt says"
fi
