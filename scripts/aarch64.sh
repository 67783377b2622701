#!/usr/bin/env bash
# usage: scripts/aarch64.sh [--only TEXT]
#
# Builds the library and its unit tests for 64-bit ARM with Debian's cross compiler, and runs them in qemu's user mode.
# Prints each test as it ends, what was left out, and a summary; exit 0 only if all passed. Some ten minutes on 2 cores.
#
#   --only TEXT   the test programs whose name contains it
#
# This shows that the code is right for that processor, its compiler and C library. It shows nothing about the order of
# memory, as the machine below keeps to its own; that is for tests/model.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

case ${1:-} in
  -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
esac
accept_only "--only" "" "$@"
only=${2:-}

# What cannot be in qemu's user mode: the cases, as doctest's patterns, and why.
declare -A LEFT_OUT WHY
leave_out() {  # PROGRAM WHY PATTERN...
  local IFS=,
  LEFT_OUT[$1]=${*:3} WHY[$1]=$2
}
leave_out robust_lock_test "it keeps no robust lists, so no kernel tells of a death" \
  "the kernel marks the word of a killed owner*" "who is already asleep learns of the owner's death"
leave_out process_test "no robust lists, no pages that a fork wipes, and a process's own start time is not what others see" \
  "self knows the thread*" "a child is somebody else*" "a child made by the bare system call*" \
  "a process is named by its id and its start*" "a process lives until its last thread has ended*"
leave_out lock_test "a process's own start time is not what others see, so they take it for dead" \
  "who waits is served as soon as the lock is free*" "a child of a fork inside a lock*"
leave_out compute_test "as of lock_test" "a child of a fork inside a computation*"
leave_out fork_test "it does not survive a fork while other threads run" "a handle opened before fork serves*"
leave_out huge_pages_test "it has no mincore" "addresses are reserved where a huge page may begin*"
leave_out race_test "200 emulators are too slow for the 10 seconds that opening waits" "forty processes that open a new name*"

BUILD=$ROOT/build/aarch64
SYSROOT=/usr/aarch64-linux-gnu
need_cpp
need g++-aarch64-linux-gnu=aarch64-linux-gnu-g++ qemu-user=qemu-aarch64

say "building for aarch64 (logs: ${LOGS#"$ROOT"/})"
# Headers that are the same on every processor, without this machine's others.
mkdir -p "$BUILD/headers"
for header in boost doctest xxhash.h xxh3.h; do ln -sfn "/usr/include/$header" "$BUILD/headers/$header"; done
quietly aarch64-configure cmake -S "$ROOT" -B "$BUILD" -G Ninja -DCMAKE_BUILD_TYPE=Release -DFORKLORE_WERROR=ON \
  -DCMAKE_TOOLCHAIN_FILE="$ROOT/cmake/aarch64-linux-gnu.cmake" -DFORKLORE_TESTS=ON \
  -DBoost_NO_BOOST_CMAKE=ON -DBoost_INCLUDE_DIR="$BUILD/headers" -DXXHASH_INCLUDE_DIR="$BUILD/headers" \
  -DDOCTEST_INCLUDE_DIR="$BUILD/headers" || exit 1
quietly aarch64-build cmake --build "$BUILD" --target unit_tests || exit 1

running=
trap 'trap - INT TERM; [ -z "$running" ] || { kill -TERM $running; wait $running; }; echo; exit 130' INT TERM

passed=0 failed=() cases=0 skipped=0
for source in "$ROOT"/tests/{base,store,cache,process}/*_test.cpp; do
  name=$(basename "$source" .cpp)
  [[ $name == *"$only"* ]] || continue
  log=$LOGS/aarch64-$name.log
  begin=$SECONDS status=0
  printf '%-20s' "$name"
  timeout --kill-after=10 600 qemu-aarch64 -L $SYSROOT "$BUILD/tests/$name" --no-colors=true \
    ${LEFT_OUT[$name]:+--test-case-exclude="${LEFT_OUT[$name]}"} >"$log" 2>&1 </dev/null &
  running=$!
  wait $running || status=$?
  running=
  summary=$(sed -nE 's/^\[doctest\] test cases: .* ([0-9]+) passed .* ([0-9]+) skipped$/\1 \2/p' "$log")
  read -r good out <<<"${summary:-0 0}"
  [ $status -ne 0 ] || [ "$good" -gt 0 ] || status=1
  printf '%5d s  %3d cases  %s%s\n' $((SECONDS - begin)) "$good" \
    "$([ $status -eq 0 ] && echo passed || echo "FAILED (exit $status)")" "$([ "$out" -eq 0 ] || echo ", $out left out")"
  cases=$((cases + good)) skipped=$((skipped + out))
  if [ $status -eq 0 ]; then
    passed=$((passed + 1))
  else
    failed+=("$name")
    tail -n 30 "$log"
  fi
done

for name in "${!WHY[@]}"; do
  [[ $name == *"$only"* ]] && printf 'left out of %s: %s\n' "$name" "${WHY[$name]}"
done
printf '\n%d programs passed, %d failed%s; %d cases passed, %d left out\n' $passed ${#failed[@]} \
  "${failed[*]:+ (${failed[*]})}" $cases $skipped
[ ${#failed[@]} -eq 0 ] && [ $passed -gt 0 ]
