# SPDX-License-Identifier: BSD-2-Clause
# The C files under what finds mistakes, beside the sanitizers of the Makefile:
#
#   make -C tests/c -f checked.mk tsan      threads, on this kernel
#   make -C tests/c -f checked.mk tsan-module  those of Python's tests, of PYTHON with pytest
#   make -C tests/c -f checked.mk asan      the same, memory and leaks
#   make -C tests/c -f checked.mk valgrind  every C test
#   make -C tests/c -f checked.mk analyze   gcc -fanalyzer and clang-tidy
#
# What is left out stands here, or in .clang-tidy, with its reason.

CC ?= cc
CLANG_TIDY ?= clang-tidy
PYTHON ?= python3
BUILD ?= build

SRC = ../../src
STRICT = -std=c11 -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror
LINUX = $(wildcard $(SRC)/linux*.c) $(addprefix $(SRC)/,netlink.c inet_diag.c rtnetlink.c rows.c tuple.c)
BOUNDARY = $(wildcard $(SRC)/_*.c)
SUNOS = $(addprefix $(SRC)/,sunos.c sunos_list.c sunos_many.c)
OTHERS = $(addprefix $(SRC)/,text.c mib2.c mib2_finish.c unsupported.c)
HEADERS = $(wildcard $(SRC)/*.h) check.h
ASAN = -fsanitize=address,undefined -fno-sanitize-recover=all
# Addresses spread over more bits than this ThreadSanitizer knows would end it.
PLACED = setarch -R
VALGRIND = valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,possible

.PHONY: tsan tsan-module asan valgrind analyze gcc-analyzer clang-tidy

tsan: $(BUILD)/test_linux_threads.tsan
	$(PLACED) ./$<

# Of the module alone: CPython is not built for it, so without a GIL it sees races in that
# (memory that one thread allocates and another frees); and no forks then, behind which it
# takes a thread for one that it knows.
TSAN_TESTS = api/test_threads.py $(addprefix module/test_,threads_and_leaks.py abort_rows.py list_connections.py)
TSAN_CHOICE = not gevent and not left_behind and not nothing_behind
TSAN_MODULE = $(BUILD)/tsan_module

tsan-module:
	rm -rf $(TSAN_MODULE) && mkdir -p $(TSAN_MODULE)
	cd ../.. && CFLAGS="-fsanitize=thread -g -O1" LDFLAGS=-fsanitize=thread $(PYTHON) setup.py -q build \
	    --build-base=tests/c/$(TSAN_MODULE)/work --build-lib=tests/c/$(TSAN_MODULE)/lib --build-scripts=tests/c/$(TSAN_MODULE)/scripts
	cd .. && PYTHONPATH="$$PWD/c/$(TSAN_MODULE)/lib:$$PYTHONPATH" TSAN_OPTIONS="exitcode=66 die_after_fork=0" \
	    LD_PRELOAD="$$($(CC) -print-file-name=libtsan.so)" $(PLACED) $(PYTHON) -m pytest -q $(TSAN_TESTS) -k "$(TSAN_CHOICE)"

asan: $(BUILD)/test_linux_threads.asan
	./$<

valgrind: $(BUILD)/test_linux_threads.plain
	@if ! command -v valgrind >/dev/null; then echo "SKIPPED: no valgrind here"; exit 0; fi; set -e; \
	$(MAKE) --no-print-directory check RUNNER="$(VALGRIND)"; \
	$(MAKE) --no-print-directory -f sunos.mk sunos-plain RUNNER="$(VALGRIND)"; \
	$(VALGRIND) ./$<

$(BUILD)/test_linux_threads.tsan: EXTRA = -g -O1 -fsanitize=thread
$(BUILD)/test_linux_threads.asan: EXTRA = -g -O1 $(ASAN)
$(BUILD)/test_linux_threads.plain: EXTRA = -g -O1
$(BUILD)/test_linux_threads.%: test_linux_threads.c $(LINUX) $(HEADERS)
	@mkdir -p $(BUILD)
	$(CC) $(STRICT) $(EXTRA) $(CFLAGS) -I$(SRC) -o $@ $< $(LINUX) $(LDFLAGS) -lpthread

analyze: gcc-analyzer clang-tidy

INCLUDE = $(shell $(PYTHON) -c "import sysconfig; print(sysconfig.get_path('include'))")
GCC = $(CC) -std=c11 -O1 -Wall -Wextra -Werror -fanalyzer -c -o /dev/null

gcc-analyzer:
	set -e; for file in $(filter-out %/linux_process.c,$(LINUX)) $(OTHERS); do $(GCC) $$file; done
	set -e; for file in $(BOUNDARY); do $(GCC) -isystem $(INCLUDE) $$file; done
	set -e; for file in $(SUNOS); do $(GCC) -D_DEFAULT_SOURCE -I../sim/include $$file; done
	# It takes the array that add_socket() has grown for lost; the walk of faults and
	# AddressSanitizer see it freed.
	$(GCC) -Wno-analyzer-malloc-leak $(SRC)/linux_process.c

clang-tidy:
	@if ! command -v $(CLANG_TIDY) >/dev/null; then echo "SKIPPED: no clang-tidy here"; exit 0; fi; set -e; \
	$(CLANG_TIDY) --quiet $(LINUX) $(OTHERS) $(BOUNDARY) -- -std=c11 -isystem $(INCLUDE); \
	$(CLANG_TIDY) --quiet $(SUNOS) -- -std=c11 -D_DEFAULT_SOURCE -I../sim/include
