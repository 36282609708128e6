/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text - words and numbers as people and YAML writers spell them
 */
#include "conf/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "model/desired.h"

static bool is_one_of(const char *s, const char *const words[static 3])
{
	return strcasecmp(s, words[0]) == 0 || strcasecmp(s, words[1]) == 0 || strcasecmp(s, words[2]) == 0;
}

bool text_is_true(const char *s)
{
	return is_one_of(s, (const char *const[]){ "yes", "true", "on" });
}

bool text_is_false(const char *s)
{
	return is_one_of(s, (const char *const[]){ "no", "false", "off" });
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits from *@s on; moves it behind them. */
static bool take_number(const char **s, uint64_t *ret)
{
	uint64_t n = 0;

	if (!is_digit(**s))
		return false;
	for (; is_digit(**s); (*s)++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(**s - '0'), &n))
			return false;
	*ret = n;
	return true;
}

bool text_number(const char *s, uint64_t *ret)
{
	uint64_t n;

	if (!take_number(&s, &n) || *s)
		return false;
	*ret = n;
	return true;
}

static const struct {
	char unit;
	uint32_t seconds;
} units[] = { { 'w', 7 * 86400 }, { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };

bool text_duration(const char *s, uint64_t *ret)
{
	uint64_t sum = 0, n;

	if (text_number(s, ret))
		return true;
	if (!*s)
		return false;
	while (*s) {
		uint32_t seconds = 0;

		if (!take_number(&s, &n))
			return false;
		for (size_t i = 0; i < ARRAY_LEN(units); i++)
			if (*s == units[i].unit)
				seconds = units[i].seconds;
		if (!seconds || __builtin_mul_overflow(n, seconds, &n) || __builtin_add_overflow(sum, n, &sum))
			return false;
		s++;
	}
	*ret = sum;
	return true;
}

const char *text_duration_format(uint64_t seconds, char buf[static TEXT_DURATION_LEN])
{
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (seconds % units[i].seconds == 0 && (seconds > 0 || units[i].seconds == 1)) {
			(void)snprintf(buf, TEXT_DURATION_LEN, "%" PRIu64 "%c", seconds / units[i].seconds, units[i].unit);
			break;
		}
	return buf;
}

bool text_range(const char *s, uint64_t max, uint64_t *ret_first, uint64_t *ret_last)
{
	uint64_t first, last;

	if (!take_number(&s, &first))
		return false;
	last = first;
	if (*s == '-') {
		s++;
		if (!take_number(&s, &last))
			return false;
	}
	if (*s || first == 0 || first > last || last > max)
		return false;
	*ret_first = first;
	*ret_last = last;
	return true;
}

#define WORD_MAX 31

/* Insertions, deletions, replacements and swaps of neighbours (optimal string alignment), case ignored. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int d[WORD_MAX + 2][WORD_MAX + 2];
	size_t n_a = strlen(a), n_b = strlen(b);

	if (n_a > WORD_MAX || n_b > WORD_MAX)
		return UINT32_MAX;
	for (size_t i = 0; i <= n_a; i++)
		d[i][0] = (unsigned int)i;
	for (size_t j = 0; j <= n_b; j++)
		d[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= n_a; i++)
		for (size_t j = 1; j <= n_b; j++) {
			bool same = strncasecmp(&a[i - 1], &b[j - 1], 1) == 0;
			unsigned int best = d[i - 1][j - 1] + !same;

			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	return d[n_a][n_b];
}

const char *text_closest(const char *s, const char *const *words, size_t n)
{
	const char *best = NULL;
	unsigned int least = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		if (!words[i])
			continue;
		unsigned int d = distance(s, words[i]), allowed = 1 + (unsigned int)strlen(words[i]) / 4;

		if (d <= allowed && d < least && d < strlen(words[i])) {
			best = words[i];
			least = d;
		}
	}
	return best;
}

static int hex(char c)
{
	const char *digits = "0123456789abcdef";
	char lower = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
	const char *at = c ? strchr(digits, lower) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Six decimal pairs that were read as one number in base 60. */
static bool mac_of_number(uint64_t n, struct mac *ret)
{
	uint64_t part[6];

	for (size_t i = 5; i > 0; i--) {
		part[i] = n % 60;
		n /= 60;
	}
	part[0] = n;
	if (n < 10 || n > 99)		/* YAML 1.1: no leading zero, so the first has two digits */
		return false;
	for (size_t i = 0; i < 6; i++)
		ret->b[i] = (uint8_t)(part[i] / 10 << 4 | part[i] % 10);
	return true;
}

bool text_mac_guess(const char *s, struct mac *ret)
{
	struct mac mac = { 0 };
	uint64_t n;
	size_t part = 0, digits = 0;
	bool separated = strpbrk(s, ":-.") != NULL;

	if (text_number(s, &n) && strlen(s) != 12)
		return mac_of_number(n, ret);
	if (separated && !strchr(s, '.')) {		/* 52:54:0:12:34:56 */
		for (const char *c = s;; c++) {
			int v = hex(*c);

			if (v >= 0 && digits < 2) {
				mac.b[part] = (uint8_t)(mac.b[part] << 4 | v);
				digits++;
			} else if ((*c == ':' || *c == '-') && digits > 0 && part < 5) {
				part++;
				digits = 0;
			} else if (*c == '\0' && digits > 0 && part == 5) {
				*ret = mac;
				return true;
			} else {
				return false;
			}
		}
	}
	for (const char *c = s; *c; c++) {		/* 525400123456, 5254.0012.3456 */
		int v = hex(*c);

		if (*c == '.' && digits > 0 && digits % 4 == 0)
			continue;
		if (v < 0 || digits == 12)
			return false;
		mac.b[digits / 2] = (uint8_t)(mac.b[digits / 2] << 4 | v);
		digits++;
	}
	if (digits != 12)
		return false;
	*ret = mac;
	return true;
}

bool text_sexagesimal(uint64_t n, uint64_t *ret_first, uint64_t *ret_second)
{
	if (n / 60 == 0 || n / 60 > UINT16_MAX || n % 60 == 0)
		return false;
	*ret_first = n / 60;
	*ret_second = n % 60;
	return true;
}

bool text_is_ifname(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > NETWORK_NAME_MAX || str_eq(s, ".") || str_eq(s, ".."))
		return false;
	for (const char *c = s; *c; c++)
		if (*c <= 0x20 || *c > 0x7e || strchr("/:%\"\\*", *c))
			return false;
	return true;
}

static bool is_label(const char *s, size_t n)
{
	if (n == 0 || n > GUEST_NAME_MAX || s[0] == '-' || s[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_digit(s[i]) && s[i] != '-' && (s[i] < 'a' || s[i] > 'z'))
			return false;
	return true;
}

bool text_is_label(const char *s)
{
	return is_label(s, strlen(s));
}

bool text_is_domain(const char *s)
{
	if (strlen(s) > DOMAIN_MAX)
		return false;
	for (;;) {
		size_t n = strcspn(s, ".");

		if (!is_label(s, n))
			return false;
		if (!s[n])
			return true;
		s += n + 1;
	}
}

bool text_is_user(const char *s)
{
	size_t n = strlen(s), digits = 0;

	if (n == 0 || n > 64 || s[0] == '-')
		return false;
	for (const char *c = s; *c; c++) {
		if (*c <= 0x20 || *c == 0x7f || strchr(":,/@\"'", *c))
			return false;
		digits += is_digit(*c);
	}
	return digits < n;
}
