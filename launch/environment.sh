# shellcheck shell=bash
# Sourced by the scripts beside it: makes .venv with the pinned, tested versions, once.
# A change of constraints.txt or pyproject.toml installs again.
# EXTRAS names optional parts, as `dev`; VENV and CONSTRAINTS may name another environment.

if [ -z "${PYTHON:-}" ]; then
    for PYTHON in python3.11 python3.12 python3.13 python3; do
        command -v "$PYTHON" >/dev/null && break
    done
fi
if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "error: Python 3.11 or newer is needed; set PYTHON to its path" >&2
    exit 2
fi

VENV=${VENV:-.venv}
CONSTRAINTS=${CONSTRAINTS:-constraints.txt}
stamp=$VENV/installed-from${EXTRAS:+-$EXTRAS}
wanted=$(cat "$CONSTRAINTS" pyproject.toml | cksum)
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
    package=.${EXTRAS:+[$EXTRAS]}
    echo "installing $package into $VENV (once; a few minutes, most of them for PyTorch)"
    [ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
    "$VENV/bin/python" -m pip install --disable-pip-version-check \
        --constraint "$CONSTRAINTS" --editable "$package"
    echo "$wanted" >"$stamp"
fi
PATH=$(cd "$VENV" && pwd)/bin:$PATH
export PATH
