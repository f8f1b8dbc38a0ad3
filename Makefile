# make book · test · notebooks · serve · lint · check-processors · results · results-check
# Every target sets up what it needs in .venv by itself; nothing but Python 3.11 or later and make is asked for.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
READY := $(VENV)/.ready
PORT ?= 8000
WORKERS ?= 1
ROWS ?= 1
SEED ?= 0
JOBS ?= 2
CHAPTER_JOBS ?= $(JOBS)

export PYTHONPATH := book

.PHONY: help setup book test notebooks serve lint check-processors results results-check vendor clean
.DELETE_ON_ERROR:

help:
	@echo "make book               build the pages (_build/html)"
	@echo "make serve              build them and show them at http://localhost:$(PORT)"
	@echo "make test               every test: library, chapters, pages in a browser"
	@echo "make notebooks          execute again the chapters whose outputs are stale"
	@echo "make lint               ruff over library, book and chapters"
	@echo "make check-processors   the chapters' numbers under other instruction sets and thread counts"
	@echo "make results            run the paper-scale tables again, keeping what is stored (WORKERS=$(WORKERS))"
	@echo "make results-check      compute ROWS=$(ROWS) random rows of every stored table again and compare"

# A later edit of either file installs again; an interrupted installation leaves no stamp. An environment that is there stays, with
# its PyTorch if that is of the pinned version (the CPU-only wheel too), and pip's own settings (PIP_EXTRA_INDEX_URL, ...) hold: README.md.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or later is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
	         "Name another one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || \
	  { echo "No virtual environment could be made (on Debian and Ubuntu: apt install python3-venv)." >&2; rm -rf $(VENV); exit 1; }
	@echo "Installing into $(VENV) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

setup: $(READY)

book: $(READY)
	@$(PY) -m sdcbook.build

serve: book
	@echo "http://localhost:$(PORT)  (Ctrl-C ends it)"
	@$(PY) -m http.server $(PORT) --bind localhost --directory _build/html

# The browser tests read the pages, so these are built first. A chapter stays in one process (loadscope), on one core.
# Both parts run, whatever the first says. The chapters' budgets are processor seconds, which two processes on one core lengthen: CHAPTER_JOBS.
test: $(READY)
	@$(PY) -m sdcbook.build
	@failed=0; \
	for part in "$(JOBS) tests sdclib" "$(CHAPTER_JOBS) chapters"; do \
	  set -- $$part; jobs=$$1; shift; \
	  echo "pytest $$*, $$jobs at a time"; \
	  OMP_NUM_THREADS=1 $(PY) -m pytest -n $$jobs --dist loadscope "$$@" || failed=1; \
	done; exit $$failed

notebooks: $(READY)
	$(PY) -m sdcbook.execute

lint: $(READY)
	$(PY) -m ruff check .

# Floating-point results differ between processors: the stored outputs must hold on others than the one that made them.
check-processors: $(READY)
	$(PY) -m sdcbook.check_processors

results: $(READY)
	@failed=; for table in $$($(PY) -m sdclib tables --names); do \
	  $(PY) -m sdclib run $$table --workers $(WORKERS) || failed="$$failed $$table"; done; \
	if [ -n "$$failed" ]; then echo "not whole:$$failed" >&2; exit 1; fi

results-check: $(READY)
	@failed=; for table in $$($(PY) -m sdclib tables --names); do \
	  if [ -f results/$$table.csv ]; then $(PY) -m sdclib check $$table --rows $(ROWS) --seed $(SEED) || failed="$$failed $$table"; fi; done; \
	if [ -n "$$failed" ]; then echo "differ, or could not be checked:$$failed" >&2; exit 1; fi

vendor: $(READY)
	$(PY) -m sdcbook.vendor

clean:
	rm -rf _build .pytest_cache .ruff_cache .hypothesis
