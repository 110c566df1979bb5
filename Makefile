# make demo | test | test-bridge | test-slurm | test-integrations | test-containers | torture | check | audit | release |
#      venv | docs | transformers5 | bridge | install-gpu | check-install-gpu | lock | clean
#
# `make venv` needs Python 3.11, pip and make, nothing else; every target makes the environment first. With Python 3.12:
# `make PYTHON=python3.12 venv` and `test-fast`.

unexport PYTHONDONTWRITEBYTECODE  # importing NeMo takes twice as long without compiled modules

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PYTHON_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
VENV5 := .venv-transformers5
UV_VERSION := 0.13.9

# torch's CPU build comes from PyTorch's own index, or from a wheel folder where pip is configured with one (find-links).
FIND_LINKS := $(shell $(PYTHON) -m pip config list 2>/dev/null | sed -n "s/.*find-links='\(.*\)'/\1/p" | sort -u)
TORCH ?= $(if $(FIND_LINKS),$(addprefix --find-links ,$(FIND_LINKS)) --index-strategy unsafe-best-match,--torch-backend cpu)

# Python 3.12 has a lock of its own, with the CUDA build of torch from PyPI, which runs on a CPU too.
ifeq ($(PYTHON_VERSION),3.12)
CPU_LOCK := requirements/cpu-3.12.lock
CPU_SYNC := --python-platform $(shell uname -m)-manylinux_2_40
# Megatron-Core compiles when it is imported, and without a GPU it cannot ask for the architecture.
export TORCH_CUDA_ARCH_LIST ?= 9.0
else
CPU_LOCK := requirements/cpu.lock
CPU_SYNC := $(TORCH)
endif

.PHONY: docs bridge test-bridge python3.12 schemas integrations test-integrations test-containers demo test test-fast test-slurm torture check audit release venv transformers5 install-gpu check-install-gpu lock clean

demo: venv
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/demo.sh "$(GENOME)"

# JOBS processes, which share the test files, in the order of tests/conftest.py: long ones first. Each imports NeMo once.
# Threads of their own would only be in their way.
JOBS ?= 2
PARALLEL := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder
PYTEST := $(PARALLEL) --ignore tests/slurm --ignore tests/bridge

test: venv transformers5 schemas
	$(PYTEST) $(TESTS)

# What a change to pure code breaks, in about a minute.
test-fast: venv
	$(PYTEST) -m fast $(TESTS)

# Jobs that are submitted to a Slurm of the tests, which runs on this machine: as root, on Debian or Ubuntu.
SLURM_PACKAGES := slurm-wlm munge iproute2
test-slurm: venv
	{ command -v slurmctld && command -v munged && command -v ip; } > /dev/null || { apt-get update --quiet --quiet && DEBIAN_FRONTEND=noninteractive \
		apt-get install --quiet --quiet --yes --no-install-recommends $(SLURM_PACKAGES); }
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/slurm

# Kills, damage and hostile input, hundreds of thousands of times; TORTURE=0.1 for a tenth of that.
torture: venv transformers5
	TORTURE=$${TORTURE:-1} TORTURE_TABLE=$(CURDIR)/docs/benchmarks/torture.md \
		$(BIN)/python -m pytest -m torture --timeout=14400 $(TESTS)

check: venv transformers5 schemas
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/hadolint docker/Dockerfile docker/cpu.Dockerfile docker/bridge.Dockerfile
	$(BIN)/shellcheck scripts/*.sh docker/*.sh .ci/run
	$(PYTEST) $(TESTS)

# Known vulnerabilities of all that is pinned; docs/security.md explains those that are known. Needs the network.
audit: venv
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/audit.sh

# Source and wheel, a bill of materials, checksums: in dist/.
release: venv
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/release.sh dist

venv: $(VENV)/.ready

$(UV): Makefile
	$(if $(filter 3.11 3.12,$(PYTHON_VERSION)),,$(error Python 3.11 or 3.12 is needed: make PYTHON=/path/to/python3.11))
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	touch $(UV)

# Transformer Engine's Python, for tests with emulated kernels, beside the packages: among them Megatron-Core would find it
# without its CUDA libraries, and fail to import.
$(VENV)/.ready: $(CPU_LOCK) requirements/transformer_engine.lock pyproject.toml $(UV)
	$(UV) pip sync --python $(BIN)/python --require-hashes $(CPU_SYNC) $(CPU_LOCK)
	$(UV) pip install --python $(BIN)/python --quiet --no-deps --require-hashes --target $(VENV)/transformer_engine_python \
		--requirements requirements/transformer_engine.lock
	$(UV) pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

# A second environment with transformers 5, which loads what `convert` writes; the tests in it need nothing of ours.
transformers5: $(VENV5)/.ready

$(VENV5)/.ready: requirements/transformers5.lock $(UV)
	$(UV) venv --quiet --clear --python $(BIN)/python $(VENV5)
	$(UV) pip sync --quiet --python $(VENV5)/bin/python --require-hashes $(TORCH) requirements/transformers5.lock
	touch $@

# Megatron-Bridge, which cannot share an environment with NeMo 2: 5 GB, with the CUDA build of torch, which runs on a CPU
# too. nvidia-resiliency-ext has wheels for glibc 2.39 alone; they run on older ones.
PYTHON312 ?= $(firstword $(foreach python,$(shell which -a python3.12) $(wildcard $(HOME)/.pyenv/versions/3.12*/bin/python3.12),\
	$(shell $(python) -c 'import sys; print(sys.executable)' 2> /dev/null)))
BRIDGE_PLATFORM := --python-platform $(shell uname -m)-manylinux_2_40
bridge: .venv-bridge/.ready

.venv-bridge/.ready: requirements/bridge.lock pyproject.toml $(UV)
	$(if $(PYTHON312),,$(error Python 3.12 is needed: make bridge PYTHON312=/path/to/python3.12))
	$(UV) venv --quiet --clear --python $(PYTHON312) .venv-bridge
	$(UV) pip sync --quiet --python .venv-bridge/bin/python --require-hashes $(BRIDGE_PLATFORM) requirements/bridge.lock
	$(UV) pip install --quiet --python .venv-bridge/bin/python --no-deps --no-build-isolation --editable .
	touch $@

# Says where Python 3.12 is; nothing where it is not.
python3.12:
	@echo $(PYTHON312)

# With the real Megatron-Bridge: it loads what `convert` writes, `convert` reads what it writes. Minutes.
test-bridge: venv bridge
	$(PARALLEL) tests/bridge

# Kubeflow Trainer's models, one folder per version, for the tests of --kubernetes: 3 MB.
SCHEMAS := .schemas
TRAINERS := 2.1.0 2.2.0 2.3.0
schemas: $(SCHEMAS)/.ready

$(SCHEMAS)/.ready: $(TRAINERS:%=requirements/trainer-%.txt) $(UV)
	for version in $(TRAINERS); do $(UV) pip install --quiet --no-deps --require-hashes --python $(BIN)/python \
		--target $(SCHEMAS)/trainer-$$version --requirement requirements/trainer-$$version.txt || exit 1; done
	touch $@

# SkyPilot and Snakemake, each in an environment of its own (320 and 90 MB), for tests that skip without them.
integrations: .venv-skypilot/.ready .venv-snakemake/.ready

.venv-skypilot/.ready .venv-snakemake/.ready: .venv-%/.ready: requirements/%.lock $(UV)
	$(UV) venv --quiet --clear --python $(BIN)/python .venv-$*
	$(UV) pip sync --quiet --python .venv-$*/bin/python --require-hashes requirements/$*.lock
	touch $@

test-integrations: venv schemas integrations
	$(PYTEST) tests/launch/submit tests/workflows

# The CPU image, built with buildah on a base made by debootstrap, and run in; minutes, as root. Skips without them.
test-containers: venv
	GENOMIC_LLAMA_CONTAINERS=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest tests/docker

# The documentation as a site, in site/: a dead link or a page that is in no menu fails.
docs: .venv-docs/.ready
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict

.venv-docs/.ready: requirements/docs.lock $(UV)
	$(UV) venv --quiet --clear --python $(BIN)/python .venv-docs
	$(UV) pip sync --quiet --python .venv-docs/bin/python --require-hashes requirements/docs.lock
	touch $@

# Into the Python at hand (a virtual environment with pip): docs/install.md. Needs a C++ compiler, and neither a GPU nor
# CUDA's toolkit: headers, libraries and nvcc are those of the wheels, unless CUDA_HOME is set. Transformer Engine looks
# for NVRTC there when it is imported, so CUDA_HOME is needed then too where the toolkit is not installed. It first asks
# GitHub for a wheel of this torch, and there is none. NVTE_PYTORCH_FORCE_BUILD skips that, but 2.9.0 then builds twice
# and fails.
install-gpu:
	sed -n 's/^\([A-Za-z0-9._-]*==[^ ;+]*\).*/\1/p' requirements/cpu.lock > requirements/.constraints.txt
	$(PYTHON) -m pip install --constraint requirements/.constraints.txt \
		torch 'cuda-toolkit[cccl,nvcc]' setuptools wheel ninja pybind11
	$(PYTHON) -c 'import torch; assert torch.version.cuda, "torch is a build without CUDA: see \`pip config list\` for a wheel folder or index of CPU builds"'
	site=$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
		export CUDA_HOME="$${CUDA_HOME:-$$site/nvidia/cu13}" && \
		CPATH="$$site/nvidia/cu13/include:$$site/nvidia/nccl/include:$$site/nvidia/cudnn/include$${CPATH:+:$$CPATH}" \
		$(PYTHON) -m pip install --constraint requirements/.constraints.txt --no-build-isolation --editable '.[gpu]' && \
		$(PYTHON) -c 'import torch, transformer_engine.pytorch'

# What install-gpu does, in an environment of its own, and that the extension has the functions that the tests emulate.
# Downloads some gigabytes and compiles for minutes: once a night, not in every test. Needs no GPU.
check-install-gpu:
	rm -rf .venv-gpu && $(PYTHON) -m venv .venv-gpu
	$(MAKE) install-gpu PYTHON=$(CURDIR)/.venv-gpu/bin/python
	CUDA_HOME="$${CUDA_HOME:-$$(echo $(CURDIR)/.venv-gpu/lib/python*/site-packages/nvidia/cu13)}" \
		.venv-gpu/bin/python -m benchmarks.emulated_gpu.real

lock: $(UV)
	$(UV) pip compile pyproject.toml --extra dev --extra ray --extra mlflow --generate-hashes --python-version 3.11 $(TORCH) \
		--quiet --no-annotate --custom-compile-command "make lock" --output-file requirements/cpu.lock
	sed -n 's/^\([A-Za-z0-9._-]*==[^ ;+]*\).*/\1/p' requirements/cpu.lock > requirements/.constraints.txt
	$(UV) pip compile pyproject.toml --extra dev --extra ray --extra mlflow --constraint requirements/.constraints.txt \
		--generate-hashes --python-version 3.12 $(BRIDGE_PLATFORM) --quiet --no-annotate \
		--custom-compile-command "make lock" --output-file requirements/cpu-3.12.lock
	$(UV) pip compile pyproject.toml --extra ray --extra mlflow --constraint requirements/cpu.lock --generate-hashes \
		--python-version 3.11 $(TORCH) --quiet --no-annotate --custom-compile-command "make lock" \
		--output-file requirements/image.lock
	for name in transformers5 skypilot snakemake docs; do $(UV) pip compile requirements/$$name.in --generate-hashes \
		--python-version 3.11 $(TORCH) --quiet --no-annotate --custom-compile-command "make lock" \
		--output-file requirements/$$name.lock || exit 1; done
	$(UV) pip compile requirements/bridge.in --excludes requirements/bridge-excludes.txt --generate-hashes \
		--python-version 3.12 $(BRIDGE_PLATFORM) --quiet --no-annotate --custom-compile-command "make lock" \
		--output-file requirements/bridge.lock
	$(UV) pip compile requirements/transformer_engine.in --no-deps --generate-hashes --python-version 3.11 \
		--quiet --no-annotate --custom-compile-command "make lock" --output-file requirements/transformer_engine.lock

clean:
	rm -rf $(VENV) .venv-* $(SCHEMAS) site demo runs
