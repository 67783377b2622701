#!/usr/bin/env bash
# usage: broken_protocol.sh PROGRAM SOURCES
#
# Checks that can fail: breaks the protocol on purpose, in one named place at a time (src/base/test_fault.hpp), and
# runs the calls that must notice with PROGRAM, an every_instruction of a library built with FORKLORE_TEST_FAULTS.
# Prints who caught what; exit 0 only if each was caught, nothing is found where nothing is broken, and every place
# that is named in SOURCES was tried.
#
# Not here, as running cannot show them on x86: the fences themselves (the orders that they give are; the fences are
# tests/model's).
set -uo pipefail
program=${1:?broken_protocol.sh wants the program}
sources=${2:?broken_protocol.sh wants the folder of the sources}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
tried=

if ! "$program" --quiet --sample 24 >"$log" 2>&1; then
  echo "FAILED: a fault is found where nothing is broken:"
  grep -m1 '^FAULT' "$log" || tail -n 1 "$log"
  status=1
fi

# try PLACE CALL [WORDS]: where PLACE is broken, the calls whose name contains CALL find a fault that says WORDS.
try() {
  local caught
  tried+="$1"$'\n'
  FORKLORE_BROKEN=$1 "$program" --quiet --sample 100 --only "$2" >"$log" 2>&1
  caught=$(grep -m1 "^FAULT.*${3:-}" "$log")
  printf '%-24s %s\n' "$1" "${caught:-FAILED: \"$2\" does not notice}"
  [ -n "$caught" ] || status=1
}

try publish-before-write "overwrite" "is lost"
try forget-before-publish "overwrite"
try overwrite-by-erase "overwrite" "is lost"
try reuse-before-slots "straddled" "after the death.*in no log and holds a live value"
try no-second-look "read, spilled: overwritten" "a miss for a key that was present"
try no-second-look "read, spilled: moved"
try no-second-look "read: erased, recycled" "a torn value"
try generation-not-raised "slot words" "that of an earlier value"
try recovery-left-out "spilled value over"
try recovery-rewrites-next "spilled value over"
try freed-unwalked "insert that evicts"
try straddler-forgotten "straddled"
try touch-before-due "touch" "is due too late"
try state-before-fields "spilled value over" "in use that are no entry"
try lock-not-pending "erase" "nobody would be told of a death"
try no-second-index-look "read: slot moved" "a miss for a key that was present"
try moved-by-clearing "insert that displaces"
try merged-by-clearing "insert that merges" "is lost"
try split-by-clearing "insert that splits" "is lost"
try split-unannounced "insert that splits" "verify after the death"
try living-owner-robbed "waiting for a lock" "a living owner was taken"
try magic-first "opening, new"
try lease-before-owner "lease: lock taken" "is not to be had"
try void-behind-value "lease: voided by" "may still store"
try placeholder-unchecked "placeholder: voided by" "may still store"
try orphans-unlooked "spilled value" "in no log and holds a live value"
try publish-before-write "overwrite, full: in its turn" "is lost"
tried+="plain-copy"$'\n'  # by threads_test_plain_copy, in builds with ThreadSanitizer

untried=$(grep -rhoP 'broken\("\K[a-z-]+' "$sources" | sort -u | grep -vxF "$tried")
[ -z "$untried" ] || { echo "FAILED: not tried: $untried"; status=1; }
exit $status
