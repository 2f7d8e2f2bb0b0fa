# Two commands on a fresh machine with Python 3.11 or 3.12: `make reproduce` and `make test`.
PYTHON ?= python3
WORKDIR ?= results
INSTALLED := .venv/installed
# On trees, whose images are 48 times as large as those of digits, the studies that are about them.
ON_TREES := similarity interpolation novelty

.PHONY: reproduce test test-slow benchmark lint requirements clean

reproduce: $(INSTALLED)
	.venv/bin/python -m experiments.reproduce --workdir=$(WORKDIR); digits=$$?; \
	.venv/bin/python -m experiments.reproduce $(ON_TREES) --dataset=trees --workdir=$(WORKDIR) && exit $$digits

test: $(INSTALLED)
	.venv/bin/python -m pytest

# Clusters, browsers, all studies at once: one at a time, because each takes the whole machine.
test-slow: $(INSTALLED)
	.venv/bin/python -m pytest -n 0 -m slow

benchmark: $(INSTALLED)
	.venv/bin/python -m benchmarks.speed

lint: $(INSTALLED)
	.venv/bin/python -m pip install --quiet ruff
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

$(INSTALLED): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12) and "Python 3.11 or 3.12 is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --requirement requirements.txt
	.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# Pins for both Pythons in one file that names no package index.
requirements:
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet uv
	.venv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --extra test \
		--generate-hashes --no-emit-index-url --custom-compile-command "make requirements" \
		--quiet --output-file requirements.txt

clean:
	rm -rf .venv *.egg-info
