/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/hash.h"
#include "base/mem.h"

/* Key 00…0f, input 00 01 02 …: the vectors of the authors' reference implementation, checked against OpenSSL. */
static void test_vectors(void **state)
{
	static const struct {
		size_t n;
		uint8_t want[16];
	} t[] = {
		{ 0, { 0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93 } },
		{ 1, { 0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45 } },
		{ 7, { 0xa1, 0xf1, 0xeb, 0xbe, 0xd8, 0xdb, 0xc1, 0x53, 0xc0, 0xb8, 0x4a, 0xa6, 0x1f, 0xf0, 0x82, 0x39 } },
		{ 8, { 0x3b, 0x62, 0xa9, 0xba, 0x62, 0x58, 0xf5, 0x61, 0x0f, 0x83, 0xe2, 0x64, 0xf3, 0x14, 0x97, 0xb4 } },
		{ 15, { 0x54, 0x93, 0xe9, 0x99, 0x33, 0xb0, 0xa8, 0x11, 0x7e, 0x08, 0xec, 0x0f, 0x97, 0xcf, 0xc3, 0xd9 } },
		{ 16, { 0x6e, 0xe2, 0xa4, 0xca, 0x67, 0xb0, 0x54, 0xbb, 0xfd, 0x33, 0x15, 0xbf, 0x85, 0x23, 0x05, 0x77 } },
		{ 63, { 0x51, 0x50, 0xd1, 0x77, 0x2f, 0x50, 0x83, 0x4a, 0x50, 0x3e, 0x06, 0x9a, 0x97, 0x3f, 0xbd, 0x7c } },
	};
	uint8_t key[16], data[64], out[16];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	memcpy(key, data, sizeof(key));
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		hash_sip128(out, key, data, t[i].n);
		if (memcmp(out, t[i].want, sizeof(out)) != 0)
			fail_msg("%zu bytes of input", t[i].n);
	}
	hash_sip128(out, key, NULL, 0);
	assert_memory_equal(out, t[0].want, sizeof(out));
}

static void test_derive(void **state)
{
	static const char *const names[][3] = {
		{ "mac", "ab", "c" }, { "mac", "a", "bc" }, { "mac", "abc", "" }, { "mac", "", "abc" },
		{ "ma", "cab", "c" }, { "mac", "ab", "" },  { "mac", NULL, NULL },
	};
	const uint8_t secret[16] = { 1, 2, 3 }, other[16] = { 1, 2, 4 };
	uint8_t out[ARRAY_LEN(names)][16], again[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		seed_derive(out[i], secret, names[i][0], names[i][1], names[i][2]);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(out[i], out[k], 16);
		seed_derive(again, secret, names[i][0], names[i][1], names[i][2]);
		assert_memory_equal(out[i], again, 16);
		seed_derive(again, other, names[i][0], names[i][1], names[i][2]);
		assert_memory_not_equal(out[i], again, 16);
	}
	seed_derive(again, secret, "mac", "", "");
	assert_memory_equal(again, out[6], 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_derive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
