#!/usr/bin/env bash
# usage: bench/hit_ratio/run.sh --traces FOLDER [--only NAME] [--percent P] [--peers] [--plot FOLDER] [--out FOLDER]
#                              [--resume]
#        bench/hit_ratio/run.sh --full-set
#
# Plays request traces at a real segment and prints what is missed beside what textbook policies miss. Installs what it
# needs (Debian's packages, and PyPI's into .venv) and builds the programs. A minute for all traces at two sizes, seven
# or more for each trace with servers.
#
#   --traces FOLDER  with NAME.csv.xz of op,key,key_size,value_size,ttl_s; and the policies' figures, miss_ratios.csv
#   --only NAME      this trace; may be given again
#   --percent P      of the trace's footprint; may be given again (default 10 and 25)
#   --peers          the same requests at a real memcached and a real Redis (allkeys-lru and allkeys-lfu) too, with as
#                    many MiB over Unix sockets; where that would be less than 16 MiB, all values are scaled up. And
#                    how many entries 64 MiB hold in each, also after entries of another size
#   --plot FOLDER    a PNG for each trace, of misses against size
#   --out FOLDER     where tables.txt and results.json are kept (default build/hit-ratio); the latter is written after
#                    each step
#   --resume         takes what the servers missed from that results.json, as far as it has the same trace and sizes
#   --full-set       how long a set takes on a full segment, from one process and four, beside memcached's: a minute
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/setup.sh"

case ${1:-} in
  -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
esac
if [[ " $* " == *" --full-set "* ]]; then
  accept_only "--out" "--full-set" "$@"  # it plays no trace
else
  accept_only "--traces --only --percent --plot --out" "--peers --resume" "$@"
fi
[[ " $* " == *" --traces "* || " $* " == *" --full-set "* ]] || fail "--traces FOLDER is needed; --help says what lies in it"

if [[ " $* " != *" --full-set "* ]]; then
  traces=
  for ((i = 1; i < $#; ++i)); do [ "${!i}" != --traces ] || traces=${@:i+1:1}; done
  mapfile -t names < <(cd "$traces" 2>/dev/null && find -L . -maxdepth 1 -name '*.csv.xz' -printf '%f\n' | sort)
  [ ${#names[@]} -gt 0 ] || fail "--traces: there is no NAME.csv.xz in $traces"
  only_of "${names[*]%.csv.xz}" "$@"
fi

say "setting up (logs: build/logs)"
setup
targets=(replay)
if [[ " $* " == *" --peers "* || " $* " == *" --full-set "* ]]; then
  need memcached=memcached redis-server=redis-server libmemcached-dev=libmemcached/memcached.h libhiredis-dev=hiredis/hiredis.h
  targets+=(peer_replay full_set)
fi
quietly hit-ratio-pip "$ROOT/.venv/bin/pip" install -r "$ROOT/bench/hit_ratio/requirements.txt" || exit 1
quietly hit-ratio-configure cmake -S "$ROOT" -B "$ROOT/build/hit-ratio" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DFORKLORE_BENCH=ON || exit 1
quietly hit-ratio-build cmake --build "$ROOT/build/hit-ratio" --target "${targets[@]}" || exit 1
exec "$ROOT/.venv/bin/python" -B "$ROOT/bench/hit_ratio/hit_ratio.py" --out "$ROOT/build/hit-ratio" \
  --programs "$ROOT/build/hit-ratio/bench/hit_ratio" "$@"
