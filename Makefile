# One command a purpose; `make help` lists them. All of it lives in .venv and OUT.

JOB     ?= jobs/preview.yaml
OUT     ?=
SET     ?=
ARGS    ?=
ENGINE  ?=
PROFILE ?=
WORKERS ?=
PYTHON  ?=
VENV    ?= .venv
TORCH_VERSION ?= 2.13.0
# The one that is made for it; another would take another torch along.
TORCHVISION_VERSION ?= 0.28.0
BIN     := $(VENV)/bin
RENDER  := $(VENV)/.render-$(shell cksum < setup.cfg | cut -d' ' -f1)
DEV     := $(VENV)/.dev-$(shell cksum < setup.cfg | cut -d' ' -f1)
TORCH   := $(VENV)/.torch-$(shell cksum < setup.cfg | cut -d' ' -f1)
FARM    := $(VENV)/.farm-$(shell cksum < setup.cfg | cut -d' ' -f1)

.DEFAULT_GOAL := help
.PHONY: help setup render status doctor test test-torch test-farm lint bench docs clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

render: $(RENDER) ## make a data set: JOB=jobs/preview.yaml OUT=folder SET="render.samples=64 ..."
	@$(BIN)/transphy3d render $(JOB) $(if $(OUT),--out $(OUT)) $(foreach s,$(SET),--set '$(s)') \
	$(if $(ENGINE),--engine $(ENGINE)) $(if $(PROFILE),--profile $(PROFILE)) \
	$(if $(WORKERS),--workers $(WORKERS)) $(ARGS)

setup: $(RENDER) ## make .venv with everything that rendering needs

status: $(RENDER) ## how far a run is: OUT=folder
	@$(BIN)/transphy3d status --out $(or $(OUT),out/$(basename $(notdir $(JOB)))) $(ARGS)

doctor: $(RENDER) ## check this machine and say what to do about it
	@$(BIN)/transphy3d doctor

test: $(DEV) ## all tests: ARGS="-k shards" for some
	$(BIN)/python -m pytest $(ARGS)

test-torch: $(TORCH) ## what needs torch: clips for training, DKT, the vision-language judge
	$(BIN)/python -m pytest tests/training tests/dkt tests/filter $(ARGS)

test-farm: $(FARM) ## engines on a real Slurm and a real Ray, which it sets up on this machine
	@.ci/install-slurm
	$(BIN)/python -m pytest $(wildcard tests/farm_*) $(ARGS)

lint: $(DEV) ## style, import walls, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy transphy3d

bench: $(DEV) ## every benchmark, with its baseline in the same run
	@set -e; for f in benchmarks/*.py; do echo "== $$f"; $(BIN)/python $$f; done

docs: $(DEV) ## write the generated pages of docs/ again
	$(BIN)/python -m transphy3d.reference docs

clean: ## remove the environment, caches and build leftovers; data in out/ stays
	rm -rf $(VENV) .cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh .ci/make-venv

$(RENDER): $(VENV)/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[render]'
	@$(BIN)/python -c 'import bpy' >/dev/null 2>&1 || $(BIN)/transphy3d doctor --fix
	@rm -f $(VENV)/.render-*; touch $@

$(DEV): $(RENDER)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[render,dev]'
	@rm -f $(VENV)/.dev-*; touch $@

# Torch first and by its exact version, which takes the build that the machine's index prefers.
$(TORCH): $(DEV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'torch==$(TORCH_VERSION)' 'torchvision==$(TORCHVISION_VERSION)'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[render,dev,training,dkt,demo,filter]'
	@rm -f $(VENV)/.torch-*; touch $@

$(FARM): $(DEV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[render,dev,dev-farm]'
	@rm -f $(VENV)/.farm-*; touch $@
