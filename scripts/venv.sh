#!/bin/sh
# Makes or refreshes .venv: scripts/venv.sh run | dev. Needs Python 3.11 or newer and nothing else.
set -eu
what=${1:-run}
venv=.venv
case $what in run) locks="requirements/core.txt" ;; dev) locks="requirements/dev.txt" ;; *) echo "usage: scripts/venv.sh run|dev" >&2; exit 2 ;; esac

find_python() {
    for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
        "$candidate" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null || continue
        echo "$candidate"
        return
    done
    echo "OneVault needs Python 3.11 or newer, and none was found. Set PYTHON=/path/to/python3." >&2
    exit 1
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

stamp=$venv/.installed-$what
key=$(cat requirements/build.txt $locks pyproject.toml scripts/venv.sh | cksum)
[ -x $venv/bin/python ] && [ "$(cat $stamp 2>/dev/null)" = "$key" ] && [ -x $venv/bin/onevault ] && exit 0

python=$(find_python)
if [ ! -x $venv/bin/pip ]; then
    rm -rf $venv
    if ! "$python" -m venv $venv >/dev/null 2>&1; then
        # Debian and Ubuntu keep the venv module in a package of its own.
        rm -rf $venv
        version=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        echo "installing $version (the system's Python comes without it)" >&2
        as_root sh -c "apt-get update -qq && apt-get install -y -qq $version >/dev/null" || {
            echo "Python's venv module is missing: install the package $version, then try again." >&2
            exit 1
        }
        "$python" -m venv $venv
    fi
fi
pip="$venv/bin/pip --disable-pip-version-check --no-input -q"
$pip install --require-hashes -r requirements/build.txt
$pip install --require-hashes -r $locks
$pip install --no-build-isolation --no-deps -e .
$venv/bin/python -m compileall -q src # or the first start would do it, and take three seconds instead of one
rm -f $venv/.installed-*
echo "$key" >$stamp
# What a development install brings is all that running needs.
[ "$what" = dev ] && cat requirements/build.txt requirements/core.txt pyproject.toml scripts/venv.sh | cksum >$venv/.installed-run || true
