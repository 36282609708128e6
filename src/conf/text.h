/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text - words and numbers as people and YAML writers spell them
 *
 * Pure functions on strings, without places or findings.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "net/addr.h"

/* yes, true, on; no, false, off; in any case. */
bool text_is_true(const char *s);
bool text_is_false(const char *s);

/* Decimal digits only. Return: false when it isn't that or doesn't fit. */
bool text_number(const char *s, uint64_t *ret);

/**
 * text_duration() - "90", "90s", "1h30m", "2d", "1w"
 * @s:		text; a number without unit counts seconds
 * @ret:	seconds
 *
 * Return: false when it isn't one
 */
bool text_duration(const char *s, uint64_t *ret);

/* The shortest exact form: "1h", "90s", "2d". @buf has TEXT_DURATION_LEN bytes. Return: @buf. */
#define TEXT_DURATION_LEN 24
const char *text_duration_format(uint64_t seconds, char buf[static TEXT_DURATION_LEN]);

/**
 * text_range() - "FIRST-LAST" or "FIRST" of numbers
 * @max:	largest number allowed
 *
 * Return: false when it isn't one, is out of order or has a 0
 */
bool text_range(const char *s, uint64_t max, uint64_t *ret_first, uint64_t *ret_last);

/* The word of @words that @s was meant to be (edit distance), or NULL. */
const char *text_closest(const char *s, const char *const *words, size_t n);

/**
 * text_mac_guess() - What a wrongly written MAC was meant to be
 *
 * Knows numbers that YAML 1.1 writers make of 52:54:00:12:34:56 (base 60),
 * other separators and missing zeros.
 */
bool text_mac_guess(const char *s, struct mac *ret);

/* Undo YAML 1.1's base 60 for two parts: 481342 was 8022:22. Return: false when it cannot have been. */
bool text_sexagesimal(uint64_t n, uint64_t *ret_first, uint64_t *ret_second);

/* A network device's name as the kernel takes it: 1 to 15 bytes, no '/', ':', '%' or white space, not "." or "..". */
bool text_is_ifname(const char *s);
bool text_is_label(const char *s);	/* RFC 1123 host name part in lower case, 1 to 63 */
bool text_is_domain(const char *s);	/* labels and dots */
bool text_is_user(const char *s);	/* a user's or group's name as useradd(8) would take it, and a little more */
