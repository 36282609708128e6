/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mcast - names of why a group is followed
 */
#include "model/mcast.h"

const char *const mcast_reason_name[MCAST_REASONS] = { "qmp", "mld", "dad", "declared" };

const char *const mcast_all_text[MCAST_ALL_BITS] = {
	"the guest listens to more groups than are followed",
	"the guest asked for all multicast",
	"the guest listens to more groups than QEMU's table holds",
	"the configuration says so",
	"its NIC was moved between namespaces and has lost the groups",
};
