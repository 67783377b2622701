#!/usr/bin/env bash
# usage: bench/hit_ratio/check_refusals.sh REPLAY
#
# Fails unless REPLAY, the program, refuses broken traces by the number of the line, and leaves out, by name, the sizes
# that no segment can have.
set -euo pipefail
REPLAY=${1:?the program is needed}
HEADER=op,key,key_size,value_size,ttl_s

# expect STATUS PATTERN TRACE [ARGUMENT...]: of the exit, and of all that is printed.
expect() {
  local status=0 printed
  printed=$(printf '%b' "$3" | "$REPLAY" "${@:4}" 2>&1) || status=$?
  [[ $status -eq $1 && $printed =~ $2 ]] && return 0
  printf 'not exit %s and "%s", but exit %s: %s\ntrace: %s\n' "$1" "$2" "$status" "$printed" "$3" >&2
  exit 1
}

large=g,1,20,4000000,0  # 10 % of it is a segment
expect 0 '^ 10\.0 % +400002 bytes.* entries 0 .*$' "$HEADER\n$large\n" 10
expect 0 '^ 10\.0 % +400005 bytes' "$HEADER\n$large\ns,2,20,10,5\nd,1,20,4000000,0" 10
# Its largest has a shorter key.
expect 0 '^ 10\.0 % +400000 bytes' "$HEADER\ng,1,20,10,0\ng,1,7,4000000,0\n" 10

expect 2 ': there is no request in the trace$' ""
expect 2 ': there is no request in the trace$' "$HEADER\n"
expect 2 ": line 1 is not $HEADER: bad header$" "bad header\n$large\n"
expect 2 ": line 1 is not $HEADER: $large$" "$large\n$large\n"
expect 2 ": line 1 is not $HEADER: $HEADER\\?$" "$HEADER\r\n$large\r\n"
for line in "" get,1,20,10,0 x,1,20,10,0 ,1,20,10,0 g g,1 g,1,20,10 g,1,20,10, g,1,20,1e3,0 g,1,20,10,0,7 g,1,20,10,0, \
  g,a,20,10,0 g,1,-20,10,0 g,1,+20,10,0 "g, 1,20,10,0" g,1,20,10,0x g,1,,10,0 g,1,20,4294967296,0 g,1,20,10000000000000000000,0; do
  expect 2 ": line 3 is no request: ${line//+/\\+}$" "$HEADER\n$large\n$line\n$large\n"
done
expect 2 ': line 2 is no request: \?{80}\.\.\.$' "$HEADER\n$(printf '\\x01%.0s' {1..100})\n"

small=g,1,20,10,0
limits='a segment has 131072 to 17179869184'
for percent in 1 100 1000; do
  expect 1 "left out: $percent % of the footprint, which is 30 bytes, is $((percent * 30 / 100)) bytes, and $limits; --at-least MIB scales" \
    "$HEADER\n$small\n" $percent
done
expect 1 'left out: 1 % of .* is 40000 bytes, .* scales the values up.  5\.0 % +200001 bytes' "$HEADER\n$large\n" 1 5
expect 1 '^\{"percent": 1, "left_out": "1 % of [^"]*"\}.\{"percent": 5, "capacity": 200001, .*\}$' "$HEADER\n$large\n" --json 1 5
expect 0 '^\{"percent": 11, "capacity": 1048576, "scale": 953249,' "$HEADER\ng,1,20,10,0\n" --json --at-least 1 11
expect 1 'left out: even with values x 1000000, 1 % of the footprint is 100000 bytes, not 1048576$' "$HEADER\n$small\n" \
  --at-least 1 1
expect 1 'left out: even with values x 1, 50 % of the footprint is 10 bytes, not 1048576$' "$HEADER\ng,1,20,0,0\n" \
  --at-least 1 50
for mib in 0 -1 1e-9 16385 1e30 nan 2x; do expect 2 '^usage' "$HEADER\n$small\n" --at-least $mib; done
echo "each is refused, or left out, by name"
