#!/usr/bin/env bash
# Tests `prepare video` with MediaPipe itself, in an environment of its own (.venv-video, 2.4 GB):
#   ./launch/test_video.sh [PYTEST ARGUMENTS]
# Debian and Ubuntu need libgl1 and libglib2.0-0 for it.
set -euo pipefail
case "${1:-}" in -h | --help)
    sed -n '2,4s/^# //p' "$0"
    exit 0
    ;;
esac
cd "$(dirname "$0")/.."
VENV=.venv-video CONSTRAINTS=constraints-video.txt EXTRAS=video,test
. launch/environment.sh

python -c "import mediapipe"
pytest -m "" tests/video tests/importers/test_video.py "$@"
