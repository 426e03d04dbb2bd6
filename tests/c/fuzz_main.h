/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_main.h - with FUZZ_SMOKE a fuzzer is a program that runs the files it is
 * given, and every beginning of each, so that the corpus is a test without
 * libFuzzer.
 */
#ifndef TD_FUZZ_MAIN_H
#define TD_FUZZ_MAIN_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#ifdef FUZZ_SMOKE
#include <stdio.h>

int
main(int argc, char **argv)
{
	static uint8_t bytes[1 << 20];
	int i;

	for (i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		size_t size, n;

		if (f == NULL) {
			perror(argv[i]);
			return 1;
		}
		size = fread(bytes, 1, sizeof(bytes), f);
		fclose(f);
		for (n = 0; n <= size; n++)
			(void)LLVMFuzzerTestOneInput(bytes, n);
	}
	printf("%s: %d files\n", argv[0], argc - 1);
	return argc < 2;
}
#endif

#endif
