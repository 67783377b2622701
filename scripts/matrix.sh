#!/usr/bin/env bash
# usage: scripts/matrix.sh --compiler NAME | --python VERSION [--django VERSION]
#
# One cell of the matrix of compilers and Pythons, with what it needs installed: the C++ units built by a compiler, with
# warnings as errors, or the Python package with all its tests. .github/workflows/matrix.yml names the cells.
#
#   --compiler NAME    g++-12, g++-14, clang++-14, clang++-18, ... of this system's packages
#   --python VERSION   3.10 to 3.13, of the PATH, the system or pyenv
#   --django VERSION   5.2 (the default) or 6; with --python
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

compiler= version= django=5.2
while [ $# -gt 0 ]; do
  case $1 in
    --compiler) compiler=${2:-}; shift ;;
    --python) version=${2:-}; shift ;;
    --django) django=${2:-}; shift ;;
    -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
    *) fail "unknown option $1; --help lists them" ;;
  esac
  shift || break
done
cd "$ROOT"

if [[ $compiler =~ ^(g|clang)\+\+-[0-9]+$ ]]; then
  need_cpp
  need "${compiler/clang++/clang}=$compiler"
  build=build/matrix/$compiler
  cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$compiler" -DFORKLORE_WERROR=ON \
    -DFORKLORE_CLI=ON -DFORKLORE_TESTS=ON -DFORKLORE_BENCH=OFF
  cmake --build "$build" --target unit_tests forklore_cli
  ctest --test-dir "$build" -L '^unit$' --no-tests=error --output-on-failure -j2
elif [[ $version =~ ^3\.1[0-3]$ ]]; then
  need_cpp
  python=$(find_python "$version") || fail "Python $version with venv and headers is not here"
  venv=build/matrix/python-$version-$django
  mkdir -p build/matrix
  make_venv "$ROOT/$venv" "$python"
  "$venv/bin/python" -m pip install . -r tests/python/requirements.txt "Django==$django.*"
  "$venv/bin/python" -m pytest -p no:cacheprovider -n 2 --dist worksteal tests/python
else
  fail "name a compiler, as in --compiler g++-12, or a Python from 3.10 to 3.13; --help says more"
fi
