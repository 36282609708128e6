/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * macvtap - what guests' devices and the host's own macvlan share
 *
 * Inside plan/macvtap and plan/macvtap_host only.
 */
#pragma once
#include "plan/make.h"

#define GENMODE_NONE 1		/* IN6_ADDR_GEN_MODE_NONE */
#define MTU_MIN6 1280u		/* RFC 8200 5: below it a device has no IPv6 */

#define CREATE_MASK                                                                                                \
	((uint32_t)(OP_LINK_MTU | OP_LINK_MAC | OP_LINK_UP | OP_LINK_ALIAS | OP_LINK_GROUP | OP_LINK_GENMODE |     \
		    OP_LINK_MACVLAN))

/* One more thing that differs: a bit of @mask, and words of @what. */
#define ADD_WORDS(bit, cond, ...)                                                                           \
	do {                                                                                                \
		if (cond) {                                                                                 \
			mask |= (uint32_t)(bit);                                                            \
			what = arena_printf(m->arena, "%s%s%s", what, what[0] ? ", " : "",                  \
					    arena_printf(m->arena, __VA_ARGS__));                           \
		}                                                                                           \
	} while (0)

const char *macvlan_mode_name(uint32_t kernel);	/* of MACVLAN_MODE_* */
/* A setting of a device of ours: written before it comes up, gone with it. */
void macvtap_emit_sysctl(struct make *m, const struct net *net, const char *path, const char *value, const char *why);
/* @have: the device as it is; NULL: it is made by this plan. */
void macvtap_emit_accept_ra(struct make *m, const struct net *net, const char *device, const struct w_link *have);
void emit_macvtap_host_link(struct make *m, struct net *net);
