# SPDX-License-Identifier: BSD-2-Clause
# The SunOS backend without Python, on the STREAMS simulator of tests/sim:
#
#   make -C tests/c -f sunos.mk sunos-check
#   make -C tests/c -f sunos.mk sunos-plain (without the sanitizers)
#   make -C tests/c -f sunos.mk sunos-bench
#
# Made to be included by the Makefile beside it too: all names begin with SUNOS.

CC ?= cc
CLANG ?= clang
BUILD ?= build

SUNOS_SRC = ../../src
SUNOS_SIM = ../sim
SUNOS_STRICT = -std=c11 -D_DEFAULT_SOURCE -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror
SUNOS_SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g -O1
SUNOS_PURE = $(addprefix $(SUNOS_SRC)/,mib2.c mib2_finish.c rows.c tuple.c)
SUNOS_FILES = $(addprefix $(SUNOS_SRC)/,sunos.c sunos_list.c sunos_many.c) $(SUNOS_PURE)
SUNOS_MODEL = $(addprefix $(SUNOS_SIM)/,sim_kernel.c sim_tables.c sim_lies.c sim_streams.c)
SUNOS_HEADERS = $(wildcard $(SUNOS_SRC)/*.h $(SUNOS_SIM)/*.h $(SUNOS_SIM)/include/*.h) sunos_test.h sunos_tools.h sim_vectors.h
SUNOS_TESTS = test_mib2 test_sim_vectors test_sim_mib test_sunos test_sunos_list test_sunos_faults
SUNOS_BUILT = $(SUNOS_TESTS:%=$(BUILD)/sunos/%) $(BUILD)/sunos/fuzz_mib2_smoke

.PHONY: sunos-check sunos-plain sunos-fuzzers sunos-bench

sunos-check: sunos-plain $(SUNOS_BUILT:%=%.sanitized) ## the SunOS backend on the simulator, also under ASan and UBSan
	@for test in $(SUNOS_TESTS); do ./$(BUILD)/sunos/$$test.sanitized || exit 1; done
	@./$(BUILD)/sunos/fuzz_mib2_smoke.sanitized corpus_mib2/*

sunos-plain: $(SUNOS_BUILT)
	$(CC) $(SUNOS_STRICT) $(CFLAGS) -fsyntax-only -I$(SUNOS_SIM)/include $(SUNOS_SRC)/sunos_abi.c
	@for test in $(SUNOS_TESTS); do $(RUNNER) ./$(BUILD)/sunos/$$test || exit 1; done
	@$(RUNNER) ./$(BUILD)/sunos/fuzz_mib2_smoke corpus_mib2/*

sunos-fuzzers: $(BUILD)/sunos/fuzz_mib2 ## MIB2 replies nobody would send, for tools/fuzz.sh

sunos-bench: $(BUILD)/sunos/bench_sunos ## 100,000 simulated connections: a walk against parsing its bytes
	./$(BUILD)/sunos/bench_sunos

$(BUILD)/sunos/%: %.c $(SUNOS_FILES) $(SUNOS_MODEL) $(SUNOS_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(SUNOS_STRICT) -O2 $(CFLAGS) -I$(SUNOS_SIM)/include -o $@ $< $(SUNOS_FILES) $(SUNOS_MODEL) $(LDFLAGS) -lpthread

$(BUILD)/sunos/%.sanitized: %.c $(SUNOS_FILES) $(SUNOS_MODEL) $(SUNOS_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(SUNOS_STRICT) $(SUNOS_SANITIZE) $(CFLAGS) -I$(SUNOS_SIM)/include -o $@ $< $(SUNOS_FILES) $(SUNOS_MODEL) $(LDFLAGS) -lpthread

$(BUILD)/sunos/fuzz_mib2_smoke: fuzz_mib2.c fuzz_main.h $(SUNOS_PURE) $(SUNOS_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(SUNOS_STRICT) -O2 $(CFLAGS) -DFUZZ_SMOKE -o $@ $< $(SUNOS_PURE) $(LDFLAGS)

$(BUILD)/sunos/fuzz_mib2_smoke.sanitized: fuzz_mib2.c fuzz_main.h $(SUNOS_PURE) $(SUNOS_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(SUNOS_STRICT) $(SUNOS_SANITIZE) $(CFLAGS) -DFUZZ_SMOKE -o $@ $< $(SUNOS_PURE) $(LDFLAGS)

$(BUILD)/sunos/fuzz_mib2: fuzz_mib2.c fuzz_main.h $(SUNOS_PURE) $(SUNOS_HEADERS)
	@mkdir -p $(@D)
	$(CLANG) $(SUNOS_STRICT) $(SUNOS_SANITIZE) $(CFLAGS) -fsanitize=fuzzer -o $@ $< $(SUNOS_PURE) $(LDFLAGS)
