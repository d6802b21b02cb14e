#!/usr/bin/env bash
# The whole test suite on a fresh machine: makes .venv, then linter, types, import layers and all tests.
#   ./launch/test.sh [PYTEST ARGUMENTS]
set -euo pipefail
case "${1:-}" in -h | --help)
    sed -n '2,3s/^# //p' "$0"
    exit 0
    ;;
esac
cd "$(dirname "$0")/.."
EXTRAS=dev
. launch/environment.sh

ruff check .
ruff format --check .
mypy
lint-imports
# Two processes of tests share the cores: a thread each.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
pytest -m "" --numprocesses 2 --dist loadfile --durations 10 "$@"
