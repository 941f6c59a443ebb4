#!/bin/sh
# Runs the whole suite, or what is named: scripts/test.sh tests/flow -k hang_up
set -eu
cd "$(dirname "$0")/.."
export PYTHONDONTWRITEBYTECODE=1
if [ $# -eq 0 ] && ! command -v chromium >/dev/null 2>&1; then
    # The pages are tested in a real browser.
    echo "installing chromium for the tests of the pages" >&2
    as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
    as_root sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver >/dev/null' \
        || echo "chromium could not be installed; the tests of the pages are skipped" >&2
fi
exec .venv/bin/python -m pytest "$@"
