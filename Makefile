# Two commands do it all: `make book` and `make test`. Each sets up what it needs, once, in .venv.
# On Linux without a GPU: `make book TORCH_INDEX=<address of PyTorch's CPU index>` (see README) saves gigabytes.

PYTHON ?= python3
VENV ?= .venv
PORT ?= 8000
TORCH_INDEX ?=
# Lessons for `make notebooks`, and the seconds that a cell of theirs may take.
LESSONS ?= notebooks
CELL_TIMEOUT ?= 150
# Test processes: two by default, for every test process holds torch.
WORKERS ?= 2

# Recipes read these from the environment: pasted into a command, a space or a quote in them would end a word.
export VENV PORT TORCH_INDEX COURSE PRIVATE STUDENTS PEER OLD URL GDMLIB_BUDGET
# Threads that wait sleep: on a busy machine, spinning costs several times the work.
export OMP_WAIT_POLICY ?= PASSIVE

# Always python itself: the programs beside it name their folder, and not every path can be named there.
PY := "$$VENV/bin/python"
# The book's language, only if it is named here: systems have a variable of that name, too.
ifneq ($(origin LANGUAGE),command line)
override LANGUAGE := en
endif
JUPYTER_BOOK := $(PY) -c 'from jupyter_book.cli.main import main; main(prog_name="jupyter-book")'
HTML := _build/html
BOOK_STAMP := $(HTML)/.built
BOOK_SOURCES := _config.yml _toc.yml CHANGELOG.md pyproject.toml constraints.txt $(wildcard benchmarks/*.json) \
	book notebooks gdmlib results

.DEFAULT_GOAL := help
.PHONY: help environment book catalogue test unit notebooks execute homework lint format lab port serve pdf slides coverage mutants bench bench-builds rehost clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

environment:
	@$(PYTHON) -m tools.environment "$$VENV" --torch-index "$$TORCH_INDEX"

# Built if a checksum of all its sources is not that of the last build that succeeded: neither names nor dates of files
# matter, and a removed file counts. Always from scratch: a strict build that failed would pass the second time, from its cache.
book: environment  ## render the course at _build/html/index.html (in German: LANGUAGE=de)
ifneq ($(LANGUAGE),en)
	@$(PY) -m tools.translation build "$$LANGUAGE"
else
	@sources=$$(find $(BOOK_SOURCES) -type f ! -path '*/__pycache__/*' ! -path '*/.*' -exec cksum {} + | LC_ALL=C sort | cksum); \
	test "$$sources" = "$$(cat $(BOOK_STAMP) 2>/dev/null)" || { \
		echo "Building the book: about half a minute"; \
		rm -rf $(HTML) _build/.doctrees && mkdir -p $(HTML) && \
		$(JUPYTER_BOOK) build . -W -n --keep-going --quiet && \
		echo "$$sources" > $(BOOK_STAMP); }
	@echo "The course is at $(HTML)/index.html"
endif

catalogue: environment  ## write all English texts to _build/gettext, and say what translations lack
	@rm -rf _build/gettext _build/.gettext
	@$(JUPYTER_BOOK) build . --builder custom --custom-builder gettext --path-output _build/.gettext --quiet >/dev/null
	@mv _build/.gettext/_build/gettext _build/gettext && rm -rf _build/.gettext
	@echo "The texts are in _build/gettext"
	@$(PY) -m tools.translation

test: lint book  ## prove everything: style, types, laws, lessons, homework, book
	GDMLIB_BOOK="$$PWD/$(HTML)" GDMLIB_PROGRESS=0 $(PY) -m pytest tests notebooks \
		--nbval-lax --nbval-sanitize-with tests/notebooks/rounding.cfg --nbval-cell-timeout=150 -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=30

unit: environment  ## run the quick tests only: laws and units
	GDMLIB_PROGRESS=0 $(PY) -m pytest tests -n $(WORKERS) --dist loadfile \
		--ignore tests/book --ignore tests/homework --ignore tests/packaging

notebooks: environment  ## run every lesson, compare the cells that carry a claim, report (GDMLIB_BUDGET=gpu on a GPU)
	@mkdir -p _build; GDMLIB_PROGRESS=0 $(PY) -m pytest $(LESSONS) --nbval-lax --nbval-sanitize-with tests/notebooks/rounding.cfg \
		--nbval-cell-timeout=$(CELL_TIMEOUT) --junitxml=_build/notebooks.xml; code=$$?; $(PY) -m tools.report _build/notebooks.xml && exit $$code

execute: environment  ## re-run the lessons whose source changed and keep their outputs
	@$(PY) -m tools.execute

homework: environment  ## make the release versions and the instructor's course folder
	@$(PY) -m tools.homework $${COURSE:+--course "$$COURSE"} $${PRIVATE:+--private "$$PRIVATE"} $${STUDENTS:+--students "$$STUDENTS"}

lint: environment  ## check style (notebooks, too) and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check gdmlib benchmarks tools tests book homework
	$(PY) -m mypy

format: environment  ## format the code
	$(PY) -m ruff check --fix gdmlib benchmarks tools tests book homework
	$(PY) -m ruff format gdmlib benchmarks tools tests book homework

lab: environment  ## open the lessons in JupyterLab
	$(PY) -m jupyterlab notebooks

# Seen before the build, which takes a minute.
port:
	@$(PYTHON) -m tools.serve --check --port "$$PORT"

serve: port book  ## serve the course at http://127.0.0.1:8000 (or PORT=...)
	@$(PY) -m tools.serve $(HTML) --port "$$PORT"

pdf: book  ## print the whole book: _build/html/deep-generative-models.pdf (Chromium, two minutes)
	@$(PY) -m tools.pdf

slides: book  ## make slides for each lesson: _build/html/slides/index.html
	@$(PY) -m tools.slides

coverage: environment  ## measure the tests' line coverage of gdmlib (at least 95 %)
	GDMLIB_PROGRESS=0 $(PY) -m pytest tests --ignore tests/book --ignore tests/homework \
		--ignore tests/packaging --cov --cov-report=term-missing:skip-covered --cov-fail-under=95

mutants: environment  ## mutate the library (hours), or NAMES='gdmlib.training.* --sample 60': 90 % must be killed
	@$(PY) -m tools.mutants $(NAMES)

bench: environment  ## time the library beside a peer: make bench PEER=path/to/pytorch-generative
	@PYTHONPATH="$$PEER" $(PY) -m benchmarks.record

bench-builds: environment  ## time the library beside an older checkout of it: make bench-builds OLD=path
	@test -n "$$OLD" || { echo "make bench-builds OLD=path/to/an/older/checkout"; exit 1; }
	@$(PY) -m benchmarks.builds "$$OLD" . --out _build/builds

rehost: environment  ## set the repository's address everywhere: make rehost URL=https://host/owner/name
	@test -n "$$URL" || { echo "make rehost URL=https://host/owner/name"; exit 1; }
	@$(PY) -m tools.rehost "$$URL"

# By name alone: _build may hold more, such as somebody's course folder with submissions and grades.
clean:  ## remove what make built; course folders stay
	rm -rf _build/html _build/html-?? _build/.html-?? _build/gettext _build/.gettext _build/notebooks.xml _build/.doctrees _build/jupyter_execute _build/linkcheck _build/builds.json _build/builds.md
	rmdir _build 2>/dev/null || true
	test ! -f "$$VENV/pyvenv.cfg" || rm -rf "$$VENV"
	rm -rf mutants .mypy_cache .ruff_cache .pytest_cache .coverage gdmlib.egg-info
