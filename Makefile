# All a person needs to type. GNU make 3.81 and later, Linux and macOS.
PYTHON ?= python3
PORT ?= 5000
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help preset repro demo view sweep ablation test cluster lint ui clean

help:  ## Show this list
	@sed -n 's/^\([a-z]*\):.*##\(.*\)/make \1\	\2/p' Makefile

preset: $(VENV)/installed  ## Write a file of presets/ to params.yaml: make preset NAME=ffhq512 [FORCE=1]
	@$(BIN)/python -m tools.preset $(NAME) $(if $(FORCE),--force)

repro: $(VENV)/installed  ## Prepare, pretrain, imitate, evaluate: whatever is not up to date
	@$(BIN)/python -m pipeline.repro

demo: $(VENV)/installed  ## A trained generator within seconds, without training: pictures and a video in demo/
	@$(BIN)/python -m tools.render views examples/heads64 demo/views.png --seeds 0-7 --psi 0.8 --views 3 --geometry
	@$(BIN)/python -m tools.render orbit examples/heads64 demo/orbit.mp4 --seeds 0-3 --psi 0.8
	@echo "Look at demo/views.png and demo/orbit.mp4; make view FOLDER=examples turns it in the browser"

view: $(VENV)/installed-view  ## Look at what was trained, from any camera, in the browser (FOLDER=runs PORT=8080)
	@$(BIN)/python -m tools.view $(or $(FOLDER),runs) --port $(if $(filter file,$(origin PORT)),8080,$(PORT))

sweep: $(VENV)/installed  ## Search for better parameters as sweep.yaml says (PLAN=sweep.yaml)
	@$(BIN)/python -m pipeline.repro prepare && $(BIN)/python -m pipeline.sweep $(PLAN)

ablation: $(VENV)/installed  ## The paper's ablation in miniature (SIZE=cpu SEEDS=3)
	@$(BIN)/python -m experiments.ablation $(if $(SIZE),--size $(SIZE)) $(if $(SEEDS),--seeds $(SEEDS))

test: $(VENV)/installed-dev  ## Tests that need no GPU and no cluster of processes: about 15 minutes (WORKERS=2)
	@$(BIN)/python -m pytest -m "not cluster" -n $(or $(WORKERS),2)

cluster: $(VENV)/installed-dev  ## The others: several machines, faults and sweeps on Ray: about half an hour
	@$(BIN)/python -m pytest -m cluster

lint: $(VENV)/installed-dev  ## Format, style, types, import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@$(BIN)/lint-imports

ui: $(VENV)/installed  ## Runs, losses, pictures and models in the browser (PORT=5000)
	@$(BIN)/python -m pipeline.ui --port $(PORT)

clean:  ## Remove what can be computed again without much ado: caches, not results
	rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache .pipeline/train cache
	find . -name __pycache__ -type d -not -path "./$(VENV)/*" -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed, $(PYTHON) is another or missing; choose one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/uv: $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet uv
	@touch $@

$(VENV)/installed: pyproject.toml $(VENV)/uv
	VIRTUAL_ENV="$(CURDIR)/$(VENV)" UV_FIND_LINKS="$$PIP_FIND_LINKS" $(BIN)/uv pip install --compile-bytecode -e '.[export,fast]'
	@touch $@

$(VENV)/installed-view: pyproject.toml $(VENV)/uv
	VIRTUAL_ENV="$(CURDIR)/$(VENV)" UV_FIND_LINKS="$$PIP_FIND_LINKS" $(BIN)/uv pip install --compile-bytecode -e '.[export,fast,view]'
	@touch $@ $(VENV)/installed

$(VENV)/installed-dev: pyproject.toml $(VENV)/uv
	VIRTUAL_ENV="$(CURDIR)/$(VENV)" UV_FIND_LINKS="$$PIP_FIND_LINKS" $(BIN)/uv pip install --compile-bytecode -e '.[dev,export,fast]'
	@touch $@ $(VENV)/installed
