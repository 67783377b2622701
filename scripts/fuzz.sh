#!/usr/bin/env bash
# usage: scripts/fuzz.sh [--minutes N] [--seconds N] [--target damage|calls] [--keep]
#
# Builds the fuzz targets with clang's libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer, and runs them side by
# side: "damage" attaches to damaged segments and uses them, "calls" compares a stream of calls with a map. Each begins
# with the inputs in tests/fuzz/corpus and with what earlier runs found new (build/fuzz-corpus). Prints progress and how
# much was run; exit 0 only if nothing was found. An input that fails is put into build/fuzz-findings, with the command
# that runs it again; once it is mended, it belongs into tests/fuzz/corpus under a name that says what it was.
#
#   --minutes N, --seconds N   how long (default 10 minutes)
#   --target T                 that one alone
#   --keep                     adds to tests/fuzz/corpus what reaches code that the inputs there do not
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

case ${1:-} in
  -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | grep -v '^set '; exit 0 ;;
esac
accept_only "--minutes --seconds --target" "--keep" "$@"
seconds=600 keep=no targets=(damage calls)
while [ $# -gt 0 ]; do
  case $1 in
    --minutes | --seconds)
      [[ $2 =~ ^[1-9][0-9]*$ ]] || fail "$1 wants a number of 1 or more"
      seconds=$2
      [ "$1" = --seconds ] || seconds=$((seconds * 60))
      shift ;;
    --target) [[ $2 =~ ^(damage|calls)$ ]] || fail "--target wants damage or calls"; targets=("$2"); shift ;;
    --keep) keep=yes ;;
  esac
  shift
done

BUILD=$ROOT/build/asan
CORPUS=$ROOT/build/fuzz-corpus
FINDINGS=$ROOT/build/fuzz-findings
KEPT=$ROOT/tests/fuzz/corpus
declare -A LONGEST=([damage]=600 [calls]=4096)  # bytes of an input

say "building the fuzz targets (logs: ${LOGS#"$ROOT"/})"
need_cpp
need_sanitizers
cd "$ROOT"
quietly fuzz-configure cmake --preset asan || exit 1
quietly fuzz-build cmake --build --preset asan --target "${targets[@]/#/fuzz_}" || exit 1

running=()
# A run that was killed leaves its segments, which bear its process id.
tidy_up() {
  local pid
  for pid in "${running[@]}"; do
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" || true
    rm -f /dev/shm/forklore-*-fuzz-"$pid"-*
  done
}
trap 'trap - INT TERM; tidy_up; exit 130' INT TERM
trap tidy_up EXIT

mkdir -p "$FINDINGS" "$LOGS"
for target in "${targets[@]}"; do
  mkdir -p "$CORPUS/$target"
  "$BUILD/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len="${LONGEST[$target]}" -timeout=20 \
    -rss_limit_mb=2048 -artifact_prefix="$FINDINGS/$target-" "$CORPUS/$target" "$KEPT/$target" \
    >"$LOGS/fuzz-$target.log" 2>&1 </dev/null &
  running+=($!)
done

# progress TARGET: how far it has come, by the last line in which libFuzzer says so.
progress() {
  grep -aE '^#[0-9]+.* cov: ' "$LOGS/fuzz-$1.log" | tail -n 1 |
    sed -E 's/^#([0-9]+).* cov: ([0-9]+) .*corp: ([0-9]+).*/\1 inputs run, \2 edges reached, \3 inputs in the corpus/'
}

say "running ${targets[*]} for $seconds seconds"
end=$((SECONDS + seconds))
while [ $SECONDS -lt $end ] && kill -0 "${running[@]}" 2>/dev/null; do
  sleep $((seconds < 300 ? 10 : 60))
  for target in "${targets[@]}"; do
    printf '%6d s left  %-7s %s\n' $((end > SECONDS ? end - SECONDS : 0)) "$target" "$(progress "$target")"
  done
done

status=0
for i in "${!targets[@]}"; do
  target=${targets[$i]}
  log=$LOGS/fuzz-$target.log
  if wait "${running[$i]}"; then
    say "$target: nothing found; $(progress "$target")"
  else
    status=1
    say "$target: FOUND SOMETHING; the end of $log:"
    grep -avE '^#[0-9]+|NEW_FUNC|^INFO' "$log" | head -n 60
    say "again: build/asan/tests/fuzz/fuzz_$target $(grep -aoP 'Test unit written to \K.*' "$log" || true)"
  fi
done

if [ $keep = yes ] && [ $status -eq 0 ]; then
  for target in "${targets[@]}"; do
    quietly "fuzz-merge-$target" "$BUILD/tests/fuzz/fuzz_$target" -set_cover_merge=1 -use_counters=0 \
      "$KEPT/$target" "$CORPUS/$target" || exit 1
    say "$target: tests/fuzz/corpus has $(find "$KEPT/$target" -type f | wc -l) inputs"
  done
fi
exit $status
