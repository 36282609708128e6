/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain - which rule decided, in a sentence that a person understands
 */
#pragma once
#include <stddef.h>
#include "addrsel/order.h"

/**
 * addrsel_explain() - Why the first destination comes first
 * @dests:	as addrsel_sort() left them
 * @order:	its result
 * @n:		their number, at least 1
 *
 * Against the best destination of the other family when there is one, else
 * against the second.
 *
 * Return: one or more full sentences without line breaks, to be freed
 */
char *addrsel_explain(const struct addrsel_dest *dests, const size_t *order, size_t n);
