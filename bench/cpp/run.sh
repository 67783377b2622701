#!/usr/bin/env bash
# usage: bench/cpp/run.sh [--quick | --targets | --full] [--local] [--out FOLDER] [OPTION OF cache_bench...]
#
# Forklore beside what else a C++ worker could call: a private std::unordered_map, Boost.Interprocess, LMDB, and memcached
# and Redis over Unix sockets, which it starts for itself. Installs what is missing, builds, runs, and shows a table of
# ratios and one of targets, met or missed; those, a plot and the JSON are kept in build/cpp-bench. Exit 0 if the
# targets that were measured are met. Take a machine that does nothing else.
#
#   --quick        100-byte values in one process, Forklore and the two kinds of maps alone: a minute
#   --targets      what the table of targets is about, 100-byte values in one process and two: two minutes
#   --full         all sizes of values, one process and two, one thread and two: with --rounds 1 some eight minutes
#   --local        with the rivals that are here; the others are left out
#   --out FOLDER   where the results are kept
#
# Without any: 100-byte values in one process, all rivals: about two minutes. What else it takes is what
# cache_bench takes, such as --workload get-hot,miss or --value 16384; --list names workloads and rivals.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/setup.sh"

out=$ROOT/build/cpp-bench local=no servers=yes options=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
    --quick) servers=no; options+=(--rival "Forklore,unordered_map,Boost map,Boost unordered_map" --rounds 9) ;;
    --full) options+=(--value 8,100,1024,16384,262144 --processes 1,2 --threads 1,2 --attach --line) ;;
    --targets)
      options+=(--workload get-hot,get-one,get-random,get-many-100,overwrite-hot,overwrite-random --processes 1,2)
      options+=(--rounds 9 --attach --line) ;;
    --local) local=yes ;;
    --out) [ $# -gt 1 ] || fail "--out needs a folder"; out=$2; shift ;;
    --list) servers=no; options+=(--list) ;;
    --workload | --rival | --value | --processes | --threads | --keys | --most-bytes | --rounds | --millis)
      [ $# -gt 1 ] || fail "$1 needs a value; --help says which"
      options+=("$1" "$2"); shift ;;
    --attach | --line) options+=("$1") ;;
    *) fail "unknown option $1; --help lists them" ;;
  esac
  shift
done

say "setting up (logs: build/logs)"
setup
need libcli11-dev=CLI/CLI.hpp nlohmann-json3-dev=nlohmann/json.hpp
if [ $local = no ]; then
  bring() { (need "$@") || say "cannot be installed: $*"; }  # a rival that cannot be had is left out
  bring liblmdb-dev=lmdb.h
  bring libmemcached-dev=libmemcached/memcached.h memcached=memcached
  bring libhiredis-dev=hiredis/hiredis.h redis-server=redis-server
fi
quietly cpp-bench-pip "$ROOT/.venv/bin/pip" install -r "$ROOT/bench/cpp/requirements.txt" || exit 1
quietly cpp-bench-configure cmake -S "$ROOT" -B "$ROOT/build/bench" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DFORKLORE_BENCH=ON || exit 1
quietly cpp-bench-build cmake --build "$ROOT/build/bench" --target cache_bench || exit 1
bench=$ROOT/build/bench/bench/cpp/cache_bench
case " ${options[*]} " in *" --list "*) exec "$bench" --list ;; esac

sockets=$(mktemp -d) started=()
stop() {
  [ ${#started[@]} -eq 0 ] || kill "${started[@]}" 2>/dev/null || true
  wait
  rm -rf "$sockets"
}
trap stop EXIT

# serve NAME COMMAND...: starts a server and waits for its socket, NAME in the folder of sockets.
serve() {
  local name=$1 tries=0
  shift
  command -v "$1" >/dev/null || { say "$1 is not here: left out"; return 0; }
  "$@" >"$LOGS/cpp-bench-$name.log" 2>&1 </dev/null &
  started+=($!)
  until [ -S "$sockets/$name" ]; do
    [ $((tries += 1)) -le 50 ] && kill -0 "${started[-1]}" 2>/dev/null || { say "$name did not start: left out"; return 0; }
    sleep 0.1
  done
  options+=("--$name" "$sockets/$name")
}
if [ $servers = yes ]; then
  # Two threads as there are two cores, and room enough that nothing is evicted.
  serve memcached memcached -u "$(id -un)" -s "$sockets/memcached" -m 4096 -I 2m -t 2
  serve redis redis-server --port 0 --unixsocket "$sockets/redis" --save "" --appendonly no
fi
mkdir -p "$out"
"$bench" "${options[@]}" --out "$out/results.json"
"$ROOT/.venv/bin/python" -B "$ROOT/bench/cpp/report.py" "$out/results.json" --out "$out"
