#!/bin/sh
# Runs the whole suite, or what is named: scripts/test.sh tests/flow -k hang_up
set -eu
cd "$(dirname "$0")/.."
# Hundreds of processes are started: compiling what they import with each start would take half of the time.
export PYTHONDONTWRITEBYTECODE=1
.venv/bin/python -m compileall -q src tests
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
install() {
    echo "installing $1 for $2" >&2
    as_root sh -c "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $1 >/dev/null" \
        || echo "$1 could not be installed; $2 are skipped" >&2
}
if [ $# -eq 0 ]; then
    command -v chromium >/dev/null 2>&1 || install "chromium chromium-driver" "the tests of the pages, in a real browser,"
    command -v redis-server >/dev/null 2>&1 || install redis-server "the tests of the shared ledger, on a real Redis,"
fi
# Two workers: most tests wait for processes. What is named is run by one, in its order.
if [ $# -eq 0 ]; then set -- -n 2 --dist worksteal -q; fi
exec .venv/bin/python -m pytest "$@"
