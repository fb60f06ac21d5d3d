# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Sourced by the scripts beside it: where we are, and steps with their times.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
step_number=0

# step TEXT COMMAND...: announces, runs, and says how long it took.
step() {
  local text=$1 start=$SECONDS
  shift
  step_number=$((step_number + 1))
  printf '[%d/%d] %s\n' "$step_number" "$steps" "$text"
  "$@" || { printf '[%d/%d] failed: %s\n' "$step_number" "$steps" "$text" >&2; exit 1; }
  printf '[%d/%d] done in %d s\n' "$step_number" "$steps" $((SECONDS - start))
}

# newer FILE OTHER...: true when FILE exists and none of the others is newer.
newer() {
  local file=$1 other
  shift
  [ -e "$file" ] || return 1
  for other in "$@"; do
    [ "$other" -nt "$file" ] && return 1
  done
  return 0
}
