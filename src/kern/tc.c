/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tc - one filter on a port's ingress, or its egress
 *
 * It is known by its priority, which nothing else is likely to use, and its
 * name.
 */
#include "kern/tc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>

#define PRIORITY 66u
#define NAME "sixtap"
#define HANDLE 1u
#define QUESTIONS 64	/* in one system call */
#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

static const uint32_t parent_of[] = { [TC_INGRESS] = INGRESS, [TC_EGRESS] = EGRESS };

static void tc_msg(struct nlb *b, uint16_t type, uint16_t flags, uint32_t ifindex, uint32_t parent, uint32_t handle,
		   uint32_t info)
{
	const struct tcmsg t = {
		.tcm_ifindex = (int)ifindex,
		.tcm_parent = parent,
		.tcm_handle = handle,
		.tcm_info = info,
	};

	nlb_msg(b, type, flags, &t, sizeof(t));
}

static uint32_t our_info(void)
{
	return TC_H_MAKE(PRIORITY << 16, (uint32_t)htons(ETH_P_ALL));
}

/* Send the one message in kern->b. */
static int send_one(struct kern *kern, char why[static NL_WHY_MAX])
{
	struct nl_result result;
	int r = nl_batch(&kern->rt, &kern->b, &result);

	if (r == 0 && result.err < 0) {
		(void)str_copy(why, NL_WHY_MAX, result.why);
		r = result.err;
	}
	return r;
}

int tc_attach(struct kern *kern, uint32_t ifindex, enum tc_side side, int fd, char why[static NL_WHY_MAX])
{
	struct nl_result results[2];	/* of the qdisc, of the filter */
	int r = kern_rt(kern);

	if (r < 0)
		return r;
	nlb_reset(&kern->b);
	tc_msg(&kern->b, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ifindex, TC_H_CLSACT, TC_H_MAKE(TC_H_CLSACT, 0), 0);
	nlb_strz(&kern->b, TCA_KIND, "clsact");
	tc_msg(&kern->b, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_REPLACE, ifindex, parent_of[side], HANDLE, our_info());
	nlb_strz(&kern->b, TCA_KIND, "bpf");
	size_t options = nlb_nest(&kern->b, TCA_OPTIONS);
	nlb_u32(&kern->b, TCA_BPF_FD, (uint32_t)fd);
	nlb_strz(&kern->b, TCA_BPF_NAME, NAME);
	nlb_u32(&kern->b, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	nlb_end(&kern->b, options);
	r = nl_batch(&kern->rt, &kern->b, results);
	/* A qdisc that is there already, of whatever kind, either takes the filter or makes it fail. */
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(results); i++) {
		r = i == 0 && results[i].err == -EEXIST ? 0 : results[i].err;
		if (r < 0)
			(void)str_copy(why, NL_WHY_MAX, results[i].why);
	}
	return r;
}

struct look {
	uint32_t id;		/* of the program in ours */
	size_t n;		/* filters */
};

static int on_filter(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[TCA_MAX + 1] = { [TCA_KIND] = NL_STR };
	static const uint16_t bpf_policy[TCA_BPF_MAX + 1] = { [TCA_BPF_NAME] = NL_STR, [TCA_BPF_ID] = 4 };
	const struct nlattr *tb[TCA_MAX + 1], *bpf[TCA_BPF_MAX + 1];
	struct look *look = user;
	struct tcmsg t;

	if (!nl_parse_msg(nlh, sizeof(t), tb, TCA_MAX, policy))
		return 0;
	memcpy(&t, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(t));
	/* The kernel tells of the filter itself and of what it is made of; only the latter has options. */
	nl_parse_nest(tb[TCA_OPTIONS], bpf, TCA_BPF_MAX, bpf_policy);
	look->n += tb[TCA_OPTIONS] != NULL;
	if (t.tcm_info == our_info() && tb[TCA_KIND] && str_eq(nl_str(tb[TCA_KIND]), "bpf") && bpf[TCA_BPF_NAME] &&
	    str_eq(nl_str(bpf[TCA_BPF_NAME]), NAME))
		look->id = nl_u32(bpf[TCA_BPF_ID]);
	return 0;
}

static int look_at(struct kern *kern, uint32_t ifindex, uint32_t parent, struct look *look)
{
	char why[NL_WHY_MAX];
	int r = kern_rt(kern);

	if (r < 0)
		return r;
	nlb_reset(&kern->b);
	tc_msg(&kern->b, RTM_GETTFILTER, NLM_F_DUMP, ifindex, parent, 0, 0);
	return nl_dump(&kern->rt, &kern->b, on_filter, look, why);
}

static void on_answer(void *user, size_t i, const struct nlmsghdr *nlh)
{
	struct look look = { 0 };
	uint32_t *ids = user;

	if (nlh)	/* else there is no such filter, qdisc or port */
		(void)on_filter(&look, nlh);
	ids[i] = look.id;
}

int tc_attached(struct kern *kern, const uint32_t *ifindexes, size_t n, enum tc_side side, uint32_t *ret_ids)
{
	int r = kern_rt(kern);

	for (size_t done = 0; r == 0 && done < n; done += QUESTIONS) {
		nlb_reset(&kern->b);
		for (size_t i = done; i < n && i < done + QUESTIONS; i++) {
			ret_ids[i] = 0;
			tc_msg(&kern->b, RTM_GETTFILTER, 0, ifindexes[i], parent_of[side], HANDLE, our_info());
			nlb_strz(&kern->b, TCA_KIND, "bpf");
		}
		r = nl_ask(&kern->rt, &kern->b, on_answer, ret_ids + done);
	}
	return r;
}

int tc_detach(struct kern *kern, uint32_t ifindex, enum tc_side side, char why[static NL_WHY_MAX])
{
	struct look here = { 0 }, there = { 0 };

	if (look_at(kern, ifindex, parent_of[side], &here) != 0 || here.id == 0)
		return 0;
	nlb_reset(&kern->b);
	if (here.n == 1 && look_at(kern, ifindex, parent_of[!side], &there) == 0 && there.n == 0) {
		nlb_reset(&kern->b);
		tc_msg(&kern->b, RTM_DELQDISC, 0, ifindex, TC_H_CLSACT, TC_H_MAKE(TC_H_CLSACT, 0), 0);
	} else {
		nlb_reset(&kern->b);
		tc_msg(&kern->b, RTM_DELTFILTER, 0, ifindex, parent_of[side], HANDLE, our_info());
		nlb_strz(&kern->b, TCA_KIND, "bpf");
	}
	int r = send_one(kern, why);
	return r == -ENODEV || r == -ENOENT ? 0 : r;
}
