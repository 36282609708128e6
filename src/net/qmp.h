/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp - what QEMU's machine protocol says of the filter of a guest's NIC
 *
 * JSON, an object a line. Of all that a monitor may say, four things are read:
 * the greeting, an empty answer, NIC_RX_FILTER_CHANGED, and the answer to
 * query-rx-filter. Whoever runs QEMU may write anything here: a line is
 * checked, and nothing of it is kept but fixed structs.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "net/addr.h"

#define QMP_LINE_MAX 65536	/* bytes; 4095 VLANs of a NIC take half of it */
#define QMP_NIC_MAX 63
#define QMP_TABLE 128		/* groups; QEMU 7.2 has 64 */
#define QMP_FILTERS 16		/* NICs of one guest that are read */

enum qmp_multicast {
	QMP_MULTICAST_NORMAL,	/* the table */
	QMP_MULTICAST_NONE,
	QMP_MULTICAST_ALL,
	QMP_MULTICAST_N_,
};

/* The filter of one NIC. */
struct qmp_filter {
	char nic[QMP_NIC_MAX + 1];	/* its id; "" when QEMU has none, or one that we don't take */
	struct mac main_mac;		/* what the guest set */
	enum qmp_multicast multicast;
	bool promiscuous;		/* before the guest's driver sets it up, and under tcpdump */
	bool overflow;			/* the table is empty because it is full */
	size_t n;			/* of the table; more than QMP_TABLE: the rest was left out */
	struct mac table[QMP_TABLE];
};

enum qmp_kind {
	QMP_GREETING,
	QMP_DONE,		/* {"return": {}} */
	QMP_RX_FILTER,		/* filters */
	QMP_RX_CHANGED,		/* event: nic */
	QMP_ERROR,		/* a command was refused */
	QMP_OTHER,		/* another event or answer */
};

struct qmp_msg {
	enum qmp_kind kind;
	char nic[QMP_NIC_MAX + 1];	/* QMP_RX_CHANGED: "" when it has no id */
	size_t n_filters;
	struct qmp_filter filters[QMP_FILTERS];
};

/* What can go wrong with a line; positive, never forwarded. */
#define QMP_E_MALFORMED 1

/* @line: @len bytes without the newline. Return: 0, or QMP_E_MALFORMED. */
int qmp_parse(const char *line, size_t len, struct qmp_msg *ret);

/* Lines to send. */
#define QMP_SAY_CAPABILITIES "{\"execute\":\"qmp_capabilities\"}\n"
#define QMP_SAY_QUERY "{\"execute\":\"query-rx-filter\"}\n"
