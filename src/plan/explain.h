/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain - a plan for people
 */
#pragma once
#include <stdbool.h>
#include <stdio.h>
#include "plan/op.h"

/**
 * plan_print() - One line an op, in order
 * @ops:	what would change; ops that change nothing are left out
 * @to:		usually stdout
 * @color:	whether escape sequences are wanted
 * @utf8:	false: ASCII only
 * @full:	don't fold more than 20 like changes into one line
 */
void plan_print(const struct ops *ops, FILE *to, bool color, bool utf8, bool full);
