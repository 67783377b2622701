#!/usr/bin/env bash
# usage: scripts/demo.sh [--requests N] [--workers N] [--cpp-only]
#
# The main job on real input. Sets everything up, then plays a shop's requests at a Django project under gunicorn
# and shows what each worker sees through a module-level dict and through Forklore; one worker is killed meanwhile.
# Then the same in C++: processes that fork, one of which is killed. Exit 0 only if every check holds.
#
#   --requests N   how many requests of the shop to play (400 to 10000, at least 100 for each worker; default 4000)
#   --workers N    gunicorn's workers, and the processes of the C++ demo (1 to 16; default 4)
#   --cpp-only     the C++ demo alone; needs no Python
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

requests=4000 workers=4 python=yes
while [ $# -gt 0 ]; do
  case $1 in
    --requests) requests=${2:-}; shift ;;
    --requests=*) requests=${1#*=} ;;
    --workers) workers=${2:-}; shift ;;
    --workers=*) workers=${1#*=} ;;
    --cpp-only) python=no ;;
    -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) fail "unknown option $1; --help lists them" ;;
  esac
  shift || break
done
[[ $requests =~ ^[0-9]{3,5}$ ]] && [ "$requests" -ge 400 ] && [ "$requests" -le 10000 ] ||
  fail "--requests must be 400 to 10000, not '$requests'"
[[ $workers =~ ^[0-9]{1,2}$ ]] && [ "$workers" -ge 1 ] && [ "$workers" -le 16 ] ||
  fail "--workers must be 1 to 16, not '$workers'"
[ $python = no ] || [ "$requests" -ge $((100 * workers)) ] ||
  fail "--requests must be at least $((100 * workers)) for $workers workers"

say "setting up (logs: build/logs)"
if [ $python = yes ]; then
  setup
  install_package examples/shop/requirements.txt || exit 1
else
  need g++=g++ cmake=cmake ninja-build=ninja libboost-dev=boost/interprocess/mapped_region.hpp libxxhash-dev=xxhash.h
fi

say "building the C++ demo"
quietly demo-configure cmake -S "$ROOT" -B "$ROOT/build/demo" -G Ninja -DFORKLORE_EXAMPLES=ON || exit 1
quietly demo-build cmake --build "$ROOT/build/demo" --target prefork_demo || exit 1

status=0
if [ $python = yes ]; then
  echo
  say "a shop under gunicorn"
  "$ROOT/.venv/bin/python" "$ROOT/examples/shop/demo.py" --requests "$requests" --workers "$workers" || status=$?
  [ $status -lt 128 ] || exit $status
fi
echo
say "the same in C++: a server that forks its workers"
"$ROOT/build/demo/examples/prefork_demo" --workers "$workers" || status=$?

cat <<'NEXT'

Where to look next
  examples/shop/shop/views.py   the view that was asked, with both ways of keeping state
  examples/prefork_demo.cpp     the same in C++
  examples/problems/run.sh      five problems of a shared cache, without Forklore and with it, as a page
  README.md                     how to use it, and how to size it
  ./scripts/test.sh             all tests
NEXT
exit $status
