# shellcheck shell=bash disable=SC2154
# Named, timed steps. Sourced by ./check.

log=$(mktemp)
report=()
started=$SECONDS
# This run's servers, apart from those that a developer may have running.
export TIDEGATE_SERVERS_STATE=$log.servers

say() { echo "check: $*" >&2; }
die() { say "$*"; exit 2; }

# Runs the command `$2…` as the step `$1`; the first step that fails ends the check.
step() {
    local name=$1 began=$SECONDS code
    shift
    echo
    echo "=== $name"
    # As the condition of an `if`, a function would go on after a failed command of its own.
    set +e
    (set -e && "$@") 2>&1 | tee -a "$log"
    code=${PIPESTATUS[0]}
    set -e
    if [ "$code" != 0 ]; then
        report+=("$(printf '%-34s FAILED  %4d s' "$name" $((SECONDS - began)))")
        exit 1
    fi
    report+=("$(printf '%-34s ok      %4d s' "$name" $((SECONDS - began)))")
    echo "=== $name: ok in $((SECONDS - began)) s"
}

# The sum of the numbers before the word `$1` in the lines with which `cargo test` closes.
count() { { grep '^test result:' "$log" || true; } | sed -E "s/.* ([0-9]+) $1.*/\1/" | awk '{ n += $1 } END { print n + 0 }'; }

# On every way out: no server stays, and the summary is the last thing said.
finish() {
    local code=$?
    trap - EXIT
    scripts/servers stop || true
    echo
    printf '%s\n' "${report[@]+"${report[@]}"}"
    echo "tests: $(count passed) passed, $(count failed) failed"
    if [ "$code" = 0 ]; then echo "check $mode: ok in $((SECONDS - started)) s"; else echo "check $mode: FAILED ($code)"; fi
    rm -f "$log" "$TIDEGATE_SERVERS_STATE.lock"
    exit "$code"
}
