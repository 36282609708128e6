/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * label - host names that guests tell us, and names on the wire
 */
#include "net/label.h"

#include <string.h>

#define NAME_WIRE_MAX 255	/* RFC 1035 2.3.4, the root's byte included */

static int label_char(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 'a';
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')
		return c;
	return -1;
}

static bool label_set(const uint8_t *text, size_t len, char ret[static LABEL_STRLEN])
{
	char label[LABEL_STRLEN] = "";

	ret[0] = '\0';
	if (len == 0 || len > LABEL_MAX || text[0] == '-' || text[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		int c = label_char(text[i]);

		if (c < 0)
			return false;
		label[i] = (char)c;
	}
	memcpy(ret, label, sizeof(label));
	return true;
}

bool label_from_text(const uint8_t *text, size_t len, char ret[static LABEL_STRLEN])
{
	const uint8_t *end;

	ret[0] = '\0';
	if (len == 0)
		return false;
	if (text[len - 1] == '\0')
		len--;
	end = len > 0 ? memchr(text, '.', len) : NULL;
	return label_set(text, end ? (size_t)(end - text) : len, ret);
}

bool label_from_wire(struct rd name, char ret[static LABEL_STRLEN])
{
	uint8_t len = rd_u8(&name);
	const uint8_t *text = rd_take(&name, len);

	ret[0] = '\0';
	return rd_ok(&name) && len <= LABEL_MAX && label_set(text, len, ret);
}

size_t label_name_size(const char *name)
{
	size_t total = 1;

	while (*name) {
		size_t n = strcspn(name, ".");

		if (n == 0 || n > LABEL_MAX)
			return 0;
		total += n + 1;
		name += n;
		if (*name == '.')
			name++;
	}
	return total > 1 && total <= NAME_WIRE_MAX ? total : 0;
}

void label_put_name(struct wr *w, const char *name)
{
	if (label_name_size(name) == 0) {
		w->bad = true;
		return;
	}
	while (*name) {
		size_t n = strcspn(name, ".");

		wr_u8(w, (uint8_t)n);
		wr_put(w, name, n);
		name += n;
		if (*name == '.')
			name++;
	}
	wr_u8(w, 0);
}
