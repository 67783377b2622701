#!/usr/bin/env bash
# Installs the Debian packages that the build needs, those alone that are missing, and makes the virtual
# environment .venv. Run it, or let demo.sh and test.sh do so: they source it for its functions.

[ -n "${BASH_VERSION:-}" ] || { echo "run this with bash" >&2; exit 1; }
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LOGS=${LOGS:-$ROOT/build/logs}
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PYTHONUTF8=1

say() { printf '==> %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# quietly NAME COMMAND...: runs it with its output in a log; on failure shows the log's tail.
quietly() {
  local name=$1 status=0
  shift
  mkdir -p "$LOGS"
  "$@" >"$LOGS/$name.log" 2>&1 </dev/null || status=$?
  if [ $status -ne 0 ]; then
    printf -- '--- the end of %s\n' "$LOGS/$name.log" >&2
    tail -n 40 "$LOGS/$name.log" >&2
    printf -- '--- %s failed (exit %d)\n' "$name" "$status" >&2
  fi
  return $status
}

# accept_only "OPTION..." "OPTION..." ARGUMENT...: fails at an argument that is none of these options, of which the first
# take a value.
accept_only() {
  local valued=" $1 " flags=" $2 "
  shift 2
  while [ $# -gt 0 ]; do
    if [[ $flags == *" $1 "* ]]; then
      shift
    elif [[ $valued == *" $1 "* ]]; then
      [ $# -gt 1 ] || fail "$1 needs a value; --help says which"
      shift 2
    else
      fail "unknown option $1; --help lists them"
    fi
  done
}

# bench_options "OPTION..." "FLAG..." ARGUMENT...: of a bench that installs what it is measured beside. Fails at what is none
# of these options, of which the first take a value, and not --local. Leaves the others in options, and whether --local was given in local_only.
bench_options() {
  local option
  accept_only "$1" "--local $2" "${@:3}"
  given=" ${*:3} " local_only=no options=()
  for option in "${@:3}"; do
    if [ "$option" = --local ]; then local_only=yes; else options+=("$option"); fi
  done
}

# only_of "NAME..." ARGUMENT...: fails at an --only with another name.
only_of() { one_of --only "$@"; }

# only_like "NAME..." ARGUMENT...: fails at an --only that stands for none of these names, * in it for anything.
only_like() {
  local names=$1 name found
  shift
  while [ $# -gt 1 ]; do
    found=no
    for name in $names; do [[ $name != $2 ]] || found=yes; done
    [ "$1" != --only ] || [ $found = yes ] || fail "--only: $2 is none of $names"
    shift
  done
}

# one_of OPTION "NAME..." ARGUMENT...: fails at an OPTION with another name.
one_of() {
  local option=$1 names=" $2 "
  shift 2
  while [ $# -gt 1 ]; do
    [ "$1" != "$option" ] || [[ $names == *" $2 "* ]] || fail "$option: $2 is none of$names"
    shift
  done
}

# wanted NAME: whether bench_options was told to measure it.
wanted() { [[ $given != *" --only "* || $given == *" --only $1 "* ]]; }

# bring PACKAGE=PROBE...: need, of what can be done without.
bring() { (need "$@") || say "cannot be installed: $*"; }

# install_packages NAME...: through apt-get, as root or with sudo.
install_packages() {
  local sudo=()
  command -v apt-get >/dev/null || fail "there is no apt-get here; please install what these Debian packages hold: $*"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "these Debian packages are missing, and this is neither root nor is there a sudo: $*"
    say "sudo is used to install Debian packages"
    sudo -v || fail "sudo was refused; please have these Debian packages installed: $*"
    sudo=(sudo)
  fi
  say "installing Debian packages: $*"
  quietly apt-update "${sudo[@]}" apt-get update || return 1
  quietly apt-install "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends "$@"
}

# need PACKAGE=PROBE...: a probe is a command, a file below an include directory, or a pattern of whole paths; installs
# what has none.
need() {
  local missing=() pair probe
  for pair in "$@"; do
    probe=${pair#*=}
    command -v "$probe" >/dev/null || [ -e "/usr/include/$probe" ] || [ -e "/usr/local/include/$probe" ] ||
      { [[ $probe == /* ]] && compgen -G "$probe" >/dev/null; } || missing+=("${pair%%=*}")
  done
  [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}" || exit 1
}

# What the library, the program and their tests are built from.
need_cpp() {
  need g++=g++ cmake=cmake ninja-build=ninja libboost-dev=boost/interprocess/mapped_region.hpp \
    libxxhash-dev=xxhash.h doctest-dev=doctest/doctest.h xz-utils=xz \
    libcli11-dev=CLI/CLI.hpp nlohmann-json3-dev=nlohmann/json.hpp
}

# clang with its sanitizers and libFuzzer.
need_sanitizers() {
  need clang-14=clang++-14 "libclang-rt-14-dev=/usr/lib/llvm-14/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a"
}

# Apache and uWSGI with what runs Python in them. Of Apache the program alone: its package "apache2" would start a service.
need_servers() {
  need apache2-bin=/usr/sbin/apache2 libapache2-mod-wsgi-py3=/usr/lib/apache2/modules/mod_wsgi.so uwsgi-core=/usr/bin/uwsgi-core \
    "uwsgi-plugin-python3=/usr/lib/uwsgi/plugins/python3*_plugin.so"
  usable_python /usr/bin/python3 || install_packages python3 python3-venv python3-dev || exit 1
}

# usable_python COMMAND: whether it is Python 3.10 or newer and can make environments and compile against itself.
usable_python() {
  "$1" -c 'import os, sys, sysconfig, venv, ensurepip
sys.exit(sys.version_info < (3, 10) or not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))
' 2>/dev/null
}

# find_python [VERSION]: prints the path of a usable one, of that version if given, on PATH or built by pyenv.
find_python() {
  local candidate
  local candidates=(python3 /usr/bin/python3 python3.13 python3.12 python3.11 python3.10)
  [ $# -eq 0 ] || candidates=("python$1" "/usr/bin/python$1" \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1"*/bin/"python$1")
  for candidate in "${candidates[@]}"; do
    command -v "$candidate" >/dev/null && usable_python "$candidate" || continue
    "$candidate" -c 'import sys; print(sys.executable)'
    return 0
  done
  return 1
}

# make_venv DIRECTORY PYTHON: unless a working one of that Python is there.
make_venv() {
  local wanted
  wanted=$("$2" -c 'import sys; print(sys.version_info[:2], sys.base_prefix)')
  [ "$("$1/bin/python" -c 'import sys; print(sys.version_info[:2], sys.base_prefix)' 2>/dev/null)" = "$wanted" ] &&
    "$1/bin/python" -c 'import pip' 2>/dev/null && return 0
  rm -rf "$1"
  quietly "venv-$(basename "$1")" "$2" -m venv "$1"
}

# build_wheel PYTHON DIRECTORY [OPTION...]: the package's wheel for that Python, alone in the directory; options are pip's.
build_wheel() {
  rm -rf "$2"
  "$1" -m pip wheel --no-deps --wheel-dir "$2" "${@:3}" "$ROOT"
}
export -f build_wheel

setup() {
  need_cpp
  find_python >/dev/null || install_packages python3 python3-venv python3-dev || exit 1
  local python
  python=$(find_python) || fail "no Python of 3.10 or newer with venv and its headers was found (python3-venv, python3-dev)"
  make_venv "$ROOT/.venv" "$python" || exit 1
}

# install_package REQUIREMENTS...: the Python package and what these files want, into .venv, unless nothing has changed
# since. Their paths are below the checkout.
install_package() {
  local stamp=$ROOT/.venv/forklore-$(tr -c 'A-Za-z0-9\n' - <<<"$*").stamp package=$ROOT/.venv/forklore.stamp now file wanted=()
  for file in "$@"; do wanted+=(-r "$ROOT/$file"); done
  now=$(cd "$ROOT" && find CMakeLists.txt pyproject.toml include src bindings -type f -not -name '*.pyc' -print0 |
    sort -z | xargs -0 sha256sum | sha256sum)
  if [ "$(cat "$package" 2>/dev/null)" != "$now" ]; then
    say "building the Python package (a minute or two)"
    quietly pip-install "$ROOT/.venv/bin/pip" install "$ROOT" || return 1
    echo "$now" >"$package"
  fi
  now=$(cd "$ROOT" && sha256sum "$@")
  if [ "$(cat "$stamp" 2>/dev/null)" != "$now" ]; then
    quietly pip-requirements "$ROOT/.venv/bin/pip" install "${wanted[@]}" || return 1
    echo "$now" >"$stamp"
  fi
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
  case ${1:-} in
    "") setup && say "ready: the build's packages are there, and .venv is $("$ROOT/.venv/bin/python" --version)" ;;
    *) sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}"; [ "$1" = --help ] || [ "$1" = -h ] ;;
  esac
fi
