/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp - what QEMU's machine protocol says of the filter of a guest's NIC
 *
 * Parsed by jansson, which bounds the depth of nesting. Fuzzed by
 * tests/fuzz/fuzz_qmp.c.
 */
#include "net/qmp.h"

#include <jansson.h>
#include <string.h>
#include "base/mem.h"

static const char *const multicast_name[QMP_MULTICAST_N_] = { "normal", "none", "all" };

/* Ids that go into log lines: printable ASCII. Anything else is as good as none. */
static void read_nic(const json_t *v, char ret[static QMP_NIC_MAX + 1])
{
	const char *s = json_string_value(v);

	ret[0] = '\0';
	if (!s || !str_copy(ret, QMP_NIC_MAX + 1, s)) {
		ret[0] = '\0';
		return;
	}
	for (const char *c = ret; *c; c++)
		if (*c < 0x21 || *c > 0x7e) {
			ret[0] = '\0';
			return;
		}
}

static bool read_flag(const json_t *o, const char *key, bool *ret)
{
	const json_t *v = json_object_get(o, key);

	*ret = json_is_true(v);
	return json_is_boolean(v);
}

static bool read_mac(const json_t *v, struct mac *ret)
{
	const char *s = json_string_value(v);

	return s && mac_parse(s, ret);
}

static bool read_filter(const json_t *o, struct qmp_filter *ret)
{
	const json_t *table = json_object_get(o, "multicast-table"), *v;
	const char *multicast = json_string_value(json_object_get(o, "multicast"));
	size_t i;

	ret->multicast = QMP_MULTICAST_N_;
	for (unsigned int k = 0; k < QMP_MULTICAST_N_; k++)
		if (str_eq(multicast, multicast_name[k]))
			ret->multicast = (enum qmp_multicast)k;
	read_nic(json_object_get(o, "name"), ret->nic);
	if (ret->multicast == QMP_MULTICAST_N_ || !json_is_array(table) ||
	    !read_mac(json_object_get(o, "main-mac"), &ret->main_mac) ||
	    !read_flag(o, "promiscuous", &ret->promiscuous) || !read_flag(o, "multicast-overflow", &ret->overflow))
		return false;
	ret->n = 0;
	json_array_foreach(table, i, v) {
		struct mac mac;

		if (!read_mac(v, &mac))
			return false;
		if (!mac_is_multicast(&mac))	/* nothing else is ever let in */
			continue;
		if (ret->n < QMP_TABLE)
			ret->table[ret->n] = mac;
		ret->n++;
	}
	return true;
}

static int read_return(const json_t *v, struct qmp_msg *ret)
{
	const json_t *o;
	size_t i;

	if (json_is_object(v)) {
		ret->kind = json_object_size(v) == 0 ? QMP_DONE : QMP_OTHER;
		return 0;
	}
	if (!json_is_array(v)) {
		ret->kind = QMP_OTHER;
		return 0;
	}
	ret->kind = QMP_RX_FILTER;
	json_array_foreach(v, i, o) {
		if (ret->n_filters == QMP_FILTERS)
			break;
		if (!read_filter(o, &ret->filters[ret->n_filters]))
			return QMP_E_MALFORMED;
		ret->n_filters++;
	}
	return 0;
}

static int read_msg(const json_t *o, struct qmp_msg *ret)
{
	const json_t *v;

	ret->n_filters = 0;
	ret->nic[0] = '\0';
	if (json_is_object(json_object_get(o, "QMP"))) {
		ret->kind = QMP_GREETING;
		return 0;
	}
	if (json_is_object(json_object_get(o, "error"))) {
		ret->kind = QMP_ERROR;
		return 0;
	}
	v = json_object_get(o, "event");
	if (json_is_string(v)) {
		ret->kind = str_eq(json_string_value(v), "NIC_RX_FILTER_CHANGED") ? QMP_RX_CHANGED : QMP_OTHER;
		read_nic(json_object_get(json_object_get(o, "data"), "name"), ret->nic);
		return 0;
	}
	v = json_object_get(o, "return");
	return v ? read_return(v, ret) : QMP_E_MALFORMED;
}

int qmp_parse(const char *line, size_t len, struct qmp_msg *ret)
{
	json_error_t error;
	json_t *o = len > QMP_LINE_MAX ? NULL : json_loadb(line, len, 0, &error);
	int r = json_is_object(o) ? read_msg(o, ret) : QMP_E_MALFORMED;

	json_decref(o);
	return r;
}
