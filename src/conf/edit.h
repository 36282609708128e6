/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit - change one forward in a configuration's text, keeping the rest as it is
 *
 * Comments and layout stay. The tree of the result is compared with that of
 * the text as it should come out: where they differ (a layout that isn't
 * understood), nothing is returned.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct conf_edit {
	const char *network, *guest;
	const char *spec;	/* the forward in its normal form */
	const char *mac;	/* for a guest that the text doesn't declare, or NULL */
	bool add;		/* else: take it out */
};

/**
 * conf_edit_forward() - The text with one forward more or less
 * @text:	YAML that conf_read() takes
 * @len:	its length in bytes
 * @edit:	what to do
 * @ret:	the new text, malloc()ed; set when 0 is returned
 *
 * Return: 0, 1 when the text is so already (nothing in @ret), or -EOPNOTSUPP when it can't be edited safely
 */
int conf_edit_forward(const char *text, size_t len, const struct conf_edit *edit, char **ret);
