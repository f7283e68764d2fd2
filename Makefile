# Two commands do it all: `make book` and `make test`. Each sets up what it needs, once, in .venv.
# On Linux without a GPU: `make book TORCH_INDEX=<address of PyTorch's CPU index>` (see README) saves gigabytes.

PYTHON ?= python3
VENV ?= .venv
PORT ?= 8000
TORCH_INDEX ?=
# Test processes: two by default, for every test process holds torch.
WORKERS ?= 2

# Threads that wait sleep: on a busy machine, spinning costs several times the work.
export OMP_WAIT_POLICY ?= PASSIVE

BIN := $(VENV)/bin
ENV_STAMP := $(VENV)/.installed
HTML := _build/html
BOOK_STAMP := $(HTML)/.built
BOOK_SOURCES := _config.yml _toc.yml CHANGELOG.md benchmarks/results.json $(shell find book notebooks gdmlib results -type f \
	-not -path '*/__pycache__/*' -not -path '*/.*' 2>/dev/null | sed 's/ /\\ /g')

.DEFAULT_GOAL := help
.PHONY: help book test unit notebooks execute homework lint format lab serve coverage mutants bench bench-builds rehost clean
.DELETE_ON_ERROR:

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(ENV_STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not; name one: make PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
ifneq ($(TORCH_INDEX),)
	$(BIN)/python -m pip install --quiet --index-url $(TORCH_INDEX) "$$(grep '^torch==' constraints.txt)"
endif
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[book,homework,test]'
	@touch $@

# Always from scratch: a strict build that failed would pass the second time, from its cache.
$(BOOK_STAMP): $(ENV_STAMP) $(BOOK_SOURCES)
	rm -rf $(HTML) _build/.doctrees
	$(BIN)/jupyter-book build . -W -n --keep-going --quiet
	@touch $@

book: $(BOOK_STAMP)  ## render the course at _build/html/index.html
	@echo "The course is at $(HTML)/index.html"

test: lint $(BOOK_STAMP)  ## prove everything: style, types, laws, lessons, homework, book
	GDMLIB_BOOK=$(CURDIR)/$(HTML) GDMLIB_PROGRESS=0 $(BIN)/python -m pytest tests notebooks \
		--nbval-lax --nbval-cell-timeout=150 -n $(WORKERS) --dist loadfile

unit: $(ENV_STAMP)  ## run the quick tests only: laws and units
	GDMLIB_PROGRESS=0 $(BIN)/python -m pytest tests -n $(WORKERS) --dist loadfile \
		--ignore tests/book --ignore tests/homework --ignore tests/packaging

notebooks: $(ENV_STAMP)  ## run every lesson and compare the cells that carry a claim
	GDMLIB_PROGRESS=0 $(BIN)/python -m pytest notebooks --nbval-lax --nbval-cell-timeout=150

execute: $(ENV_STAMP)  ## re-run the lessons whose source changed and keep their outputs
	$(BIN)/python -m tools.execute

homework: $(ENV_STAMP)  ## make the release versions and the instructor's course folder
	$(BIN)/python -m tools.homework $(if $(COURSE),--course "$(COURSE)") $(if $(PRIVATE),--private "$(PRIVATE)")

lint: $(ENV_STAMP)  ## check style (notebooks, too) and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check gdmlib benchmarks tools tests book homework
	$(BIN)/mypy

format: $(ENV_STAMP)  ## format the code
	$(BIN)/ruff check --fix gdmlib benchmarks tools tests book homework
	$(BIN)/ruff format gdmlib benchmarks tools tests book homework

lab: $(ENV_STAMP)  ## open the lessons in JupyterLab
	$(BIN)/jupyter lab notebooks

serve: book  ## serve the course at http://127.0.0.1:$(PORT)
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory $(HTML) $(PORT)

coverage: $(ENV_STAMP)  ## measure the tests' line coverage of gdmlib (at least 95 %)
	GDMLIB_PROGRESS=0 $(BIN)/python -m pytest tests --ignore tests/book --ignore tests/homework \
		--ignore tests/packaging --cov --cov-report=term-missing:skip-covered --cov-fail-under=95

mutants: $(ENV_STAMP)  ## mutate the library (hours), or NAMES='gdmlib.training.* --sample 60': 90 % must be killed
	$(BIN)/python -m tools.mutants $(NAMES)

bench: $(ENV_STAMP)  ## time the library beside a peer: make bench PEER=path/to/pytorch-generative
	PYTHONPATH="$(PEER)" $(BIN)/python -m benchmarks.record

bench-builds: $(ENV_STAMP)  ## time the library beside an older checkout of it: make bench-builds OLD=path
	@test -n "$(OLD)" || { echo "make bench-builds OLD=path/to/an/older/checkout"; exit 1; }
	$(BIN)/python -m benchmarks.builds "$(OLD)" . --out _build/builds

rehost: $(ENV_STAMP)  ## set the repository's address everywhere: make rehost URL=https://host/owner/name
	@test -n "$(URL)" || { echo "make rehost URL=https://host/owner/name"; exit 1; }
	$(BIN)/python -m tools.rehost "$(URL)"

clean:  ## remove everything that make made
	rm -rf _build $(VENV) mutants .mypy_cache .ruff_cache .pytest_cache *.egg-info
