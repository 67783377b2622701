#!/usr/bin/env bash
# usage: scripts/test.sh [--quick]
#
# Sets up and runs every test: formatting, the C++ units, the demos, the include directions, projects that use the
# library, the Python package and the Django backend on each Python and Django that is here, Apache with mod_wsgi and
# uWSGI, clang's warnings and clang-tidy, 64-bit ARM's compiler, the C++ units under clang's sanitizers, and a minute of
# fuzzing. Prints what each part took; the log of each is in build/test-logs. Exit 0 only if all passed.
#
#   --quick   within 6 minutes, for the way there: g++ and one Python alone. No clang, no sanitizers, no second Python, no
#             servers; of the projects that use the library the installed one, of the demos the shop
#
# A Python that is not here is named and left out; where CI=true it counts as failed.
set -uo pipefail
SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LOGS=${SCRIPTS%/scripts}/build/test-logs
source "$SCRIPTS/setup.sh"
cd "$ROOT" || exit 1

quick=no
case ${1:-} in
  "") ;;
  --quick) quick=yes ;;
  -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
  *) fail "unknown option $1; --help lists them" ;;
esac

BUILD=$ROOT/build/test
names=() times=() verdicts=()

note() { names+=("$1"); times+=("$2"); verdicts+=("$3"); }

# part NAME SECONDS COMMAND...: runs it with a time limit; every part runs, whatever came of those before. The limit ends
# what hangs. It is several times what the part takes on two quiet cores, so that a busy machine does not meet it.
part() {
  local name=$1 limit=$2 start=$SECONDS status=0 log
  log=$LOGS/$(tr -cs 'A-Za-z0-9.+\n' - <<<"$name").log
  shift 2
  printf '==> %-44s' "$name"
  run_limited "$limit" "$@" >"$log" 2>&1 </dev/null &
  running=$!
  wait $running || status=$?
  running=
  printf '%5d s  %s\n' $((SECONDS - start)) "$([ $status -eq 0 ] && echo passed || echo "FAILED (exit $status)")"
  if [ $status -eq 0 ]; then
    note "$name" $((SECONDS - start)) passed
  else
    note "$name" $((SECONDS - start)) FAILED
    sweep >>"$log"
    printf -- '--- the end of %s\n' "$log"
    tail -n 60 "$log"
    printf -- '---\n'
  fi
  return $status
}

running=
trap 'trap - INT TERM; [ -z "$running" ] || { kill -TERM $running; wait $running; }; echo; exit 130' INT TERM

# run_limited SECONDS COMMAND...: in a subshell of its own. COMMAND may be a function of this script.
run_limited() {
  local limit=$1
  shift
  if [ "$(type -t "$1")" = function ]; then
    export -f "$1"
    exec timeout --kill-after=20 "$limit" bash -euo pipefail -c '"$@"' part "$@"
  else
    exec timeout --kill-after=20 "$limit" "$@"
  fi
}
export ROOT BUILD

# The mark that all tests of this run put into the names of their segments (tests/unique_name.hpp, tests/python/conftest.py).
# What other programs and other runs have in /dev/shm is no concern of this one.
export FORKLORE_TEST_RUN=run$$-

segments_of_the_run() { find /dev/shm -maxdepth 1 -name "forklore-*$FORKLORE_TEST_RUN*" | sort; }

# Removes the segments of tests that were killed, say by ctest's time limit: a failure of its own, and not one of the last
# part's too. Their names tell their process.
sweep() {
  local path pid
  for path in $(segments_of_the_run); do
    pid=${path##*test-}
    if [ -e "$path" ] && [ ! -e "/proc/${pid%%-*}" ]; then rm -f "$path" && echo "removed, of a killed test: $path"; fi
  done
}

configure_and_build() {
  cmake -S "$ROOT" -B "$BUILD" -G Ninja -DCMAKE_BUILD_TYPE=Release -DFORKLORE_WERROR=ON \
    -DFORKLORE_CLI=ON -DFORKLORE_TESTS=ON -DFORKLORE_EXAMPLES=ON -DFORKLORE_BENCH=ON
  cmake --build "$BUILD"
}

units() { ctest --test-dir "$BUILD" --output-on-failure --no-tests=error -j4; }  # many wait, mostly

# The README's C++ is what the consumers are built from, so it is known to work.
readme_cpp() {
  sed -n '/^```cpp$/,/^```$/p' README.md | sed '/^```/d' | diff - tests/consumer/main.cpp
}

consumer_installed() {
  rm -rf "$ROOT/build/consumer-installed" "$ROOT/build/prefix"
  cmake --install "$BUILD" --prefix "$ROOT/build/prefix"
  cmake -S tests/consumer -B "$ROOT/build/consumer-installed" -G Ninja -DCMAKE_PREFIX_PATH="$ROOT/build/prefix"
  cmake --build "$ROOT/build/consumer-installed"
  run_consumer "$ROOT/build/consumer-installed"
  "$ROOT/build/prefix/bin/forklore" --version
}

# By pkg-config, which need not know how the library was built.
consumer_of_pkg_config() {
  local prefix=$1 made=$ROOT/build/consumer-pkg-config flags
  rm -rf "$made"
  mkdir -p "$made"
  [ "$(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --modversion forklore)" = \
    "$(sed -n 's/^project(forklore VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)" ]
  read -ra flags <<<"$(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs $2 forklore)"
  g++ -std=c++20 tests/consumer/main.cpp -o "$made/consumer" "${flags[@]}"
  g++ -std=c++20 tests/consumer/remove.cpp -o "$made/remove_readme" "${flags[@]}"
  LD_LIBRARY_PATH=$prefix/lib run_consumer "$made"
}
export -f consumer_of_pkg_config

consumer_static() {
  consumer_of_pkg_config "$ROOT/build/prefix" ""
  consumer_of_pkg_config "$ROOT/build/prefix" --static
}

# The library alone, as who installs it builds it; and shared.
consumer_shared() {
  local made=$ROOT/build/shared
  rm -rf "$made" "$ROOT/build/prefix-shared"
  cmake -S "$ROOT" -B "$made" -G Ninja -DBUILD_SHARED_LIBS=ON -DCMAKE_BUILD_TYPE=Debug -DCMAKE_UNITY_BUILD=ON \
    -DCMAKE_INSTALL_LIBDIR=lib -DFORKLORE_WERROR=ON
  cmake --build "$made"
  if grep -Eq "^build (src/cli|tests|examples|bench)/" "$made/build.ninja"; then echo "more is built than was asked for"; return 1; fi
  .venv/bin/python tests/consumer/shared_symbols.py "$made/libforklore.so"
  cmake --install "$made" --prefix "$ROOT/build/prefix-shared"
  cmake -S tests/consumer -B "$made/consumer" -G Ninja -DCMAKE_PREFIX_PATH="$ROOT/build/prefix-shared"
  cmake --build "$made/consumer"
  run_consumer "$made/consumer"
  consumer_of_pkg_config "$ROOT/build/prefix-shared" ""
}

consumer_embedded() {
  rm -rf "$ROOT/build/consumer-embedded"
  cmake -S tests/consumer -B "$ROOT/build/consumer-embedded" -G Ninja -DFORKLORE_SOURCE="$ROOT" \
    -DCMAKE_BUILD_TYPE=Debug -DCMAKE_UNITY_BUILD=ON  # as some projects build all they have; and it is quicker
  cmake --build "$ROOT/build/consumer-embedded"
  run_consumer "$ROOT/build/consumer-embedded"
}

# What is committed, cloned.
consumer_fetched() {
  rm -rf "$ROOT/build/consumer-fetched"
  cmake -S tests/consumer -B "$ROOT/build/consumer-fetched" -G Ninja \
    -DFORKLORE_REPOSITORY="$ROOT" -DFORKLORE_TAG="$(git rev-parse HEAD)" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_UNITY_BUILD=ON
  cmake --build "$ROOT/build/consumer-fetched"
  run_consumer "$ROOT/build/consumer-fetched"
}

formatting() {
  find src include bindings bench examples tests -name '*.[ch]pp' -print0 |
    xargs -0 clang-format-14 --dry-run -Werror
  .venv/bin/python -m pip install "ruff==0.17.6"
  .venv/bin/python -m ruff check --no-cache .
  .venv/bin/python -m ruff format --no-cache --check .
}

# Before anything is built.
wrong_options() {
  local script
  for script in scripts/aarch64 scripts/demo scripts/every_instruction scripts/figures scripts/fuzz scripts/golden \
    scripts/handover_storm scripts/instruction_counts scripts/kill_storm scripts/matrix scripts/test scripts/wheels \
    bench/cpp/run bench/hit_ratio/run bench/hit_ratio/score \
    bench/kill/run bench/python/run bench/stampede/run examples/problems/run; do
    if timeout 20 "$script.sh" --bogus; then return 1; elif [ $? -ne 1 ]; then return 1; fi
  done
  for script in "kill/run.sh --only forklore" "stampede/run.sh --only forklore" "python/run.sh --only *locmem" \
    "python/run.sh --end-to-end --only django-forklore" "hit_ratio/run.sh --traces bench/hit_ratio/cuts --only cpio" \
    "hit_ratio/run.sh --full-set"; do
    read -ra script <<<"$script"  # no word of it stands for files
    if timeout 20 "bench/${script[@]}" --only nobody; then return 1; elif [ $? -ne 1 ]; then return 1; fi
  done
}

run_consumer() {
  "$1/consumer" >"$1/output"
  "$1/remove_readme"
  [ "$(cat "$1/output")" = hello ]
}
export -f run_consumer

wheel() {  # PYTHON TAG
  build_wheel "$1" "$ROOT/build/wheels/$2"
}

package_tests() {  # VENV TAG DJANGO TEST...
  "$1/bin/python" -m pip install --force-reinstall --no-deps "$ROOT/build/wheels/$2"/forklore-*.whl
  "$1/bin/python" -m pip install -r tests/python/requirements.txt "$3"
  "$1/bin/python" -c 'import sys, django; print("Python", sys.version.split()[0], "Django", django.__version__)'
  "$1/bin/python" -m pytest -p no:cacheprovider -n 4 --dist worksteal "${@:4}"
}

# Python VERSION DJANGO...: the wheel, all tests with the first Django, and those that know of Django with each other.
python_parts() {
  local version=$1 python venv django tests=(tests/python)
  shift
  if ! python=$(find_python "$version"); then
    printf '==> %-44s %s\n' "Python $version" "not here (with venv and headers): left out"
    if [ "${CI:-}" = true ]; then note "Python $version" 0 FAILED; else note "Python $version" 0 "not here"; fi
    return 0
  fi
  mkdir -p "$ROOT/build/venvs"
  make_venv "$ROOT/build/venvs/$version-build" "$python" || { note "venv of Python $version" 0 FAILED; return 0; }
  part "wheel for Python $version" 600 wheel "$ROOT/build/venvs/$version-build/bin/python" "$version" || return 0
  for django in "$@"; do
    venv=$ROOT/build/venvs/$version-$django
    make_venv "$venv" "$python" || { note "venv of Python $version" 0 FAILED; continue; }
    part "Python $version, Django $django" 600 package_tests "$venv" "$version" "Django==$django.*" "${tests[@]}"
    mapfile -t tests < <(grep -il django tests/python/test_*.py)
  done
}

# Apache and uWSGI, which have the Python of the system.
server_parts() {
  local python=/usr/bin/python3 version venv=$ROOT/build/venvs/servers
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  make_venv "$venv" "$python" || { note "venv of the servers' Python" 0 FAILED; return 0; }
  compgen -G "$ROOT/build/wheels/$version/forklore-*.whl" >/dev/null ||
    part "wheel for the servers' Python $version" 600 wheel "$venv/bin/python" "$version" || return 0
  part "Apache with mod_wsgi, and uWSGI" 600 server_tests "$venv" "$version"
}

server_tests() {  # VENV TAG
  "$1/bin/python" -m pip install --force-reinstall --no-deps "$ROOT/build/wheels/$2"/forklore-*.whl
  "$1/bin/python" -m pip install "pytest>=8,<10" "Django==5.2.*"
  FORKLORE_SERVERS=1 "$1/bin/python" -m pytest -p no:cacheprovider --durations=5 tests/python/test_servers.py
}

stubs() {
  "$1/bin/python" -m pip install mypy
  printf '[mypy]\nignore_missing_imports = True\n' >"$ROOT/build/mypy.ini"  # Django has no types
  PYTHONPATH=examples/shop DJANGO_SETTINGS_MODULE=shop.settings PYTHONDONTWRITEBYTECODE=1 \
    "$1/bin/python" -m mypy.stubtest --mypy-config-file "$ROOT/build/mypy.ini" forklore
}

# The program that was built with the C++ tests.
program_tests() {
  "$1/bin/python" -m pip install -r tests/cli/requirements.txt
  FORKLORE_PROGRAM=$BUILD/src/cli/forklore "$1/bin/python" -m pytest -p no:cacheprovider --durations=3 tests/cli
}

adapter_suites() { "$1/bin/python" -B tests/adapters/suites.py "$BUILD"; }

readme_python() {
  "$1/bin/python" -c 'import forklore; forklore.remove("readme")'
  sed 's/^```.*//' README.md >"$ROOT/build/README.txt"  # else a fence would count as output
  "$1/bin/python" -m doctest "$ROOT/build/README.txt"
  "$1/bin/python" -c 'import forklore; forklore.remove("readme")'
}

shop_demo() {
  "$1/bin/python" -m pip install -r examples/shop/requirements.txt "Django==5.2.*"
  "$1/bin/python" examples/shop/demo.py --requests 1500
}

problems_page() {
  "$1/bin/python" -m pip install -r examples/problems/requirements.txt "Django==5.2.*"
  "$1/bin/python" -B examples/problems/problems.py --quick --page "$ROOT/build/problems.html"
}

# With the drivers' own tests, and the worker that was built with g++.
kill_table() {
  "$1/bin/python" -m pip install -r bench/kill/requirements.txt -r bench/hit_ratio/requirements.txt
  PROGRAMS=$BUILD/bench/hit_ratio "$1/bin/python" -B -m pytest -p no:cacheprovider bench/kill bench/hit_ratio
  "$1/bin/python" -B bench/kill/kill_table.py --kill-worker "$BUILD/bench/kill/kill_worker" --out "$BUILD/kill-table" \
    --only forklore --kills 100 --rounds 1
}

# That it runs; its figures are for a quiet machine, and without rivals there is no bar to miss.
python_bench() {
  "$1/bin/python" -m pip install "rich>=13"
  "$1/bin/python" -B bench/python/bench.py --only forklore --only django-forklore --seconds 1 --out "$BUILD/bench-python"
  "$1/bin/python" -B bench/python/memoized.py --seconds 1 || [ $? -eq 2 ]
}

# Most of its time it sleeps, as those tests do.
django_redis() {
  "$1/bin/python" -m pip install -r tests/django_redis_suite/requirements.txt
  "$1/bin/python" tests/django_redis_suite/run.py
}

# What the sanitizers' build, which clang makes too, has not compiled.
clang_warnings() { .venv/bin/python tests/clang_warnings.py "$ROOT/build/asan"; }

# A floor's sources as one, in build/floors: most of the time would be spent on the headers of each.
floors() {
  local floor
  mkdir -p "$ROOT/build/floors"
  for floor in src/*/; do
    printf '#include "%s"\n' "$ROOT/$floor"*.cpp >"$ROOT/build/floors/$(basename "$floor").cpp"
  done
  ls -S "$ROOT/build/floors"/*.cpp  # the one with most to look at first
}
export -f floors

# clang's analyzer looks only at what lies in the file it is given, or at all that it sees; of each function it follows
# fewer ways than it would by itself (225,000 steps), which costs it a fifth of the time.
tidy() {
  floors |
    xargs -d '\n' -n 1 -P "$CMAKE_BUILD_PARALLEL_LEVEL" sh -c '
      clang-tidy-14 --quiet --config-file=.clang-tidy --checks=-bugprone-suspicious-include "$1" -- \
        -std=c++20 -O3 -Wall -Wextra -Wconversion -Iinclude -Isrc -DFORKLORE_VERSION=\"\" \
        -Xclang -analyzer-opt-analyze-headers -Xclang -analyzer-config -Xclang max-nodes=50000' tidy 2>&1 |
    sed '/ warnings\{0,1\} generated\.$/d'
}

# That nothing is called which x86 alone has. Boost's headers and xxHash's are the same on every processor.
arm_reads() {
  floors |
    xargs -d '\n' -n 1 -P "$CMAKE_BUILD_PARALLEL_LEVEL" aarch64-linux-gnu-g++ -fsyntax-only -std=c++20 -Werror \
      -Wall -Wextra -Wconversion -Iinclude -Isrc -DFORKLORE_VERSION='""' -idirafter /usr/include
}

asan_build() {
  cmake --preset asan
  cmake --build --preset asan --target unit_tests fuzz_damage fuzz_calls fuzz_scribble
}

asan_units() { ctest --preset asan -L '^(unit|fuzz)$' --no-tests=error -j2; }

tsan() {
  local still=()
  ! setarch -R true || still=(setarch -R)  # it knows no addresses as random as some kernels make them
  cmake --preset tsan
  cmake --build --preset tsan --target threads_test threads_test_breakable racy_copy_test
  "${still[@]}" ctest --preset tsan -R '^(threads_test.*|racy_copy_test)$' --no-tests=error
}

no_segments_left() {
  local left
  left=$(segments_of_the_run)
  [ -z "$left" ] || { echo "left by the tests of this run: $left"; return 1; }
}
export -f segments_of_the_run

mkdir -p "$LOGS"
rm -f "$LOGS"/*
say "testing on $(nproc) cores; logs in build/test-logs"
begin=$SECONDS
(set -e; setup; need clang-format-14=clang-format-14 git=git pkg-config=pkg-config valgrind=valgrind) || fail "the set-up failed"
[ $quick = yes ] ||
  (need clang-tidy-14=clang-tidy-14 g++-aarch64-linux-gnu=aarch64-linux-gnu-g++; need_sanitizers; need_servers) || exit 1
note "set-up" $((SECONDS - begin)) passed

part "scripts refuse what they do not know" 120 wrong_options
part "include directions, sizes of files and functions" 120 .venv/bin/python tests/layering_test.py
part "pages: links, and the tests that they name" 120 .venv/bin/python tests/docs_test.py
part "no long sentences" 120 .venv/bin/python tests/prose_test.py
part "formatting (clang-format, ruff)" 300 formatting
if part "C++ build with g++, warnings are errors" 1800 configure_and_build; then
  part "C++ tests" 600 units
  part "instructions of a get, a set, an increment" 180 scripts/instruction_counts.sh --build "$BUILD"
  part "the README's C++ lines" 60 readme_cpp
  part "a project that finds it installed" 600 consumer_installed &&
    part "the same by pkg-config" 300 consumer_static
fi
if [ $quick = no ]; then
  part "a shared library, and who is linked with it" 600 consumer_shared
  part "a project that embeds it" 600 consumer_embedded
  part "a project that fetches it" 600 consumer_fetched
fi
python_parts 3.11 5.2
# The rest needs one Python, and takes what .venv has where 3.11 is not here.
version=3.11
if ! find_python 3.11 >/dev/null; then
  version=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  [ "$version" = 3.13 ] && [ $quick = no ] || python_parts "$version" 5.2
fi
[ $quick = yes ] || python_parts 3.13 5.2 6
[ $quick = yes ] || server_parts
VENV=$ROOT/build/venvs/$version-5.2
if "$VENV/bin/python" -c 'import forklore' 2>/dev/null; then
  part "type stubs (stubtest)" 300 stubs "$VENV"
  part "the program forklore" 120 program_tests "$VENV"
  [ $quick = yes ] || part "the adapters under their packages' own tests" 300 adapter_suites "$VENV"
  part "the README's Python lines" 120 readme_python "$VENV"
  part "the shop under gunicorn" 300 shop_demo "$VENV"
  [ $quick = yes ] || part "the five problems, without and with" 300 problems_page "$VENV"
  [ $quick = yes ] || part "the kill table's storm" 300 kill_table "$VENV"
  [ $quick = yes ] || part "django-redis' own tests" 300 django_redis "$VENV"
  part "the Python bench" 300 python_bench "$VENV"
fi
if [ $quick = no ]; then
  part "clang-tidy" 1800 tidy
  part "64-bit ARM's compiler reads the library" 300 arm_reads
  part "C++ build with clang's sanitizers" 1800 asan_build && {
    part "clang's warnings on all other C++" 600 clang_warnings
    part "C++ tests under the sanitizers" 600 asan_units
    part "fuzzing for a minute" 600 scripts/fuzz.sh --seconds 60
  }
  part "threads under ThreadSanitizer" 600 tsan
fi
part "no segment is left behind" 60 no_segments_left

printf '\n%-46s %8s\n' "part" "seconds"
passed=0 failed=0
for i in "${!names[@]}"; do
  printf '%-46s %8d  %s\n' "${names[$i]}" "${times[$i]}" "${verdicts[$i]}"
  case ${verdicts[$i]} in passed) passed=$((passed + 1)) ;; FAILED) failed=$((failed + 1)) ;; esac
done
printf '%-46s %8d\n\n' "all: a $([ $quick = yes ] && echo quick || echo whole) run on $(nproc) cores" $((SECONDS - begin))
printf '%d passed, %d failed\n' $passed $failed
[ $failed -eq 0 ]
