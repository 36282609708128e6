/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apply - carry out a plan's ops, or put everything back
 *
 * rtnetlink ops are gathered into one sendmsg, up to the next op that must
 * know an interface index (of a link that may only just have been made). What
 * an op overwrites and the plan may not know (the value of a sysctl, the text
 * of the tables) is read before, into the step, so that it can be put back.
 */
#include "kern/apply.h"

#include <errno.h>
#include <stdio.h>
#include "kern/confirm.h"
#include "kern/exec.h"
#include "kern/foreign.h"
#include "kern/guard.h"
#include "kern/nft.h"
#include "kern/priv.h"
#include "kern/records.h"
#include "kern/rtnl.h"
#include "kern/sysctl.h"
#include "kern/tap.h"

#define BATCH_MAX 128	/* messages in one sendmsg: their errors must fit into the receive buffer */

static bool is_rtnl(const struct op *op)
{
	switch (op->kind) {
	case OP_LINK_ADD:
	case OP_LINK_SET:
	case OP_LINK_DEL:
	case OP_ADDR_ADD:
	case OP_ADDR_DEL:
	case OP_PROXY_ADD:
	case OP_PROXY_DEL:
	case OP_ROUTE_ADD:
	case OP_ROUTE_DEL:
	case OP_NEIGH_ADD:
	case OP_NEIGH_DEL:
		return true;
	case OP_SYSCTL:
	case OP_NFT_TABLE:
	case OP_NFT_ELEMS:
	case OP_RULE:
	case OP_SERVE:
	case OP_UNSERVE:
	case OP_CONFIRM_ROUTE:
	case OP_KIND_N_:
		break;
	}
	return false;
}

static bool joins(const struct op *op, const struct op *next)
{
	return is_rtnl(op) && is_rtnl(next);
}

/* ------------------------------------------------------------------ rtnetlink */

/* Messages that wait to be sent. */
struct batch {
	struct kern *kern;
	struct nlb b;
	struct exec_step *steps;
	size_t current;		/* step that queues now */
	size_t *owner;		/* of each message: its step */
	size_t n_owned, cap_owner;
	bool renames;		/* a link is made or deleted in it: names can't be looked up */
	bool failed;
};

static void fail_step(struct exec_step *s, int err, const char *words)
{
	if (s->err < 0)
		return;
	s->err = err;
	(void)str_copy(s->why, sizeof(s->why), words);
	nl_explain(err, s->why);
}

static void fail_batch(struct batch *batch, int err, const char *words)
{
	fail_step(&batch->steps[batch->current], err, words);
	batch->failed = true;
}

/* The messages that were queued since the last call are the current step's. */
static void claim(struct batch *batch)
{
	while (batch->n_owned < batch->b.n_msgs) {
		GROW(batch->owner, batch->n_owned, batch->cap_owner);
		batch->owner[batch->n_owned++] = batch->current;
	}
}

/* Send what waits. Of several messages of one op the first may have changed something although a later one failed. */
static void flush(struct batch *batch)
{
	size_t n = batch->b.n_msgs;
	int r = 0;

	if (n == 0)
		return;
	_cleanup_(freep) struct nl_result *results = xcalloc(n, sizeof(*results));
	claim(batch);
	r = nl_batch(&batch->kern->rt, &batch->b, results);
	for (size_t i = 0; i < n; i++) {
		struct exec_step *s = &batch->steps[batch->owner[i]];

		if (r < 0)
			results[i] = (struct nl_result){ .err = r };
		/* A guest that ends while its port is taken out of the bridge: that's out, too. */
		if (results[i].err == -ENODEV && s->op.kind == OP_LINK_SET && s->op.link.mask == OP_LINK_MASTER &&
		    s->op.link.master[0] == '\0')
			continue;
		/* Nor what the kernel drops by itself, with an address or because nobody answers. */
		if ((s->op.kind == OP_ROUTE_DEL || s->op.kind == OP_NEIGH_DEL) &&
		    (results[i].err == -ESRCH || results[i].err == -ENOENT))
			results[i].err = 0;
		if (results[i].err == 0) {
			s->done = true;
		} else {
			fail_step(s, results[i].err, results[i].why);
			batch->failed = true;
		}
	}
	nlb_reset(&batch->b);
	batch->n_owned = 0;
	batch->renames = false;
}

/* Index of a device, after whatever could make or delete it is through. 0: there is none; the step has failed. */
static uint32_t resolve(struct batch *batch, const char *name)
{
	if (batch->renames)
		flush(batch);
	if (batch->failed)
		return 0;
	uint32_t ifindex = kern_ifindex(batch->kern, name);
	if (ifindex == 0)
		fail_batch(batch, -ENODEV, "");
	return ifindex;
}

/*
 * What completes the link goes by the index of the link that was really made:
 * by name it could hit somebody else's. If that fails the link goes again, so
 * that the op is carried out whole or not at all.
 */
static void link_add(struct batch *batch, struct exec_step *s)
{
	struct nl_result results[2] = { 0 };

	flush(batch);
	if (batch->failed)
		return;
	rtnl_put_link_add(&batch->b, &s->op.link);
	flush(batch);
	if (batch->failed)
		return;
	uint32_t ifindex = kern_ifindex(batch->kern, s->op.link.name);
	rtnl_put_link_complete(&batch->b, ifindex, &s->op.link);
	int r = nl_batch(&batch->kern->rt, &batch->b, results);
	nlb_reset(&batch->b);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(results); i++) {
		r = results[i].err;
		(void)str_copy(s->why, sizeof(s->why), results[i].why);
	}
	if (r == 0)
		return;
	char words[NL_WHY_MAX];
	(void)str_copy(words, sizeof(words), s->why);
	fail_batch(batch, r, words);
	rtnl_put_link_del(&batch->b, ifindex);
	(void)nl_batch(&batch->kern->rt, &batch->b, results);
	nlb_reset(&batch->b);
	s->done = false;
}

/* Only what is ours by its alias is ever deleted, and by its index: the name may be another's by now. */
static void link_del(struct batch *batch, const struct op_link *o)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];
	struct w_link link;

	flush(batch);
	if (batch->failed)
		return;
	int r = kern_link_get(batch->kern, 0, o->name, &link);
	if (r < 0) {
		fail_batch(batch, r, "");
	} else if (o->ifindex != 0 && link.ifindex != o->ifindex) {
		fail_batch(batch, -ESTALE, "another link has that name now, and is left alone");
	} else if (!alias_parse(link.alias, network, guest) ||
		   (o->alias && o->alias[0] != '\0' && strcmp(o->alias, link.alias) != 0)) {
		fail_batch(batch, -EPERM, "the link isn't ours by its alias, and is left alone");
	} else {
		rtnl_put_link_del(&batch->b, link.ifindex);
		batch->renames = true;
	}
}

static void link_set(struct batch *batch, struct exec_step *s)
{
	const struct op_link *o = &s->op.link;
	uint32_t master = 0, ifindex = o->ifindex;

	if ((o->mask & OP_LINK_MASTER) && o->master[0] != '\0')
		master = resolve(batch, o->master);
	if (ifindex == 0 && !batch->failed)
		ifindex = resolve(batch, o->name);
	if (batch->failed)
		return;
	if (rtnl_put_link_set(&batch->b, ifindex, o, master) == 0)
		s->done = true;
}

static void queue(struct batch *batch, struct exec_step *s)
{
	const struct op *op = &s->op;
	uint32_t ifindex;

	switch (op->kind) {
	case OP_LINK_ADD:
		link_add(batch, s);
		break;
	case OP_LINK_SET:
		link_set(batch, s);
		break;
	case OP_LINK_DEL:
		link_del(batch, &op->link);
		break;
	case OP_ADDR_ADD:
		ifindex = resolve(batch, op->addr.device);
		if (ifindex > 0)
			rtnl_put_addr_add(&batch->b, ifindex, &op->addr, op->action == OP_ACTION_CHANGE);
		break;
	case OP_ADDR_DEL:
		ifindex = resolve(batch, op->addr.device);
		if (ifindex > 0)
			rtnl_put_addr_del(&batch->b, ifindex, &op->addr);
		break;
	case OP_PROXY_ADD:
	case OP_PROXY_DEL:
		ifindex = resolve(batch, op->addr.device);
		if (ifindex > 0)
			rtnl_put_proxy(&batch->b, ifindex, &op->addr.prefix.ip, op->kind == OP_PROXY_ADD);
		break;
	case OP_ROUTE_ADD:
	case OP_ROUTE_DEL:
		ifindex = resolve(batch, op->route.device);
		if (ifindex > 0)
			rtnl_put_route(&batch->b, ifindex, &op->route, op->kind == OP_ROUTE_ADD);
		break;
	case OP_NEIGH_ADD:
	case OP_NEIGH_DEL:
		ifindex = resolve(batch, op->neigh.device);
		if (ifindex > 0)
			rtnl_put_neigh(&batch->b, ifindex, &op->neigh, op->kind == OP_NEIGH_ADD);
		break;
	case OP_SYSCTL:
	case OP_NFT_TABLE:
	case OP_NFT_ELEMS:
	case OP_RULE:
	case OP_SERVE:
	case OP_UNSERVE:
	case OP_CONFIRM_ROUTE:
	case OP_KIND_N_:
		fail_batch(batch, -EINVAL, "not an rtnetlink op");
		break;
	}
	claim(batch);
}

static void run_rtnl(struct kern *kern, struct exec_step *steps, size_t n)
{
	struct batch batch = { .kern = kern, .steps = steps };
	int r = kern_rt(kern);

	if (r < 0)
		fail_batch(&batch, r, "");
	for (size_t i = 0; i < n && !batch.failed; i++) {
		batch.current = i;
		queue(&batch, &steps[i]);
		if (batch.b.n_msgs >= BATCH_MAX)
			flush(&batch);
	}
	/* Also after a failure: those before it have their turn, and are taken back in order. */
	flush(&batch);
	nlb_free(&batch.b);
	free(batch.owner);
}

/* --------------------------------------------------------------------- sysctl */

enum keep {
	KEEP_OLD,	/* value before */
	KEEP_FOUND,	/* of the record before; NULL: there was none */
	KEEP_OURS,
};

/* As the record has to be for the value that is set now. */
static int record_set(struct kern *kern, struct exec_step *s)
{
	const struct op_sysctl *o = &s->op.sysctl;

	if (o->restore || o->unrecorded || !s->keep[KEEP_OLD])
		return 0;
	/* What was found first stays found, however often we set it again. */
	return record_found_put(kern->run_dir, o->path, s->keep[KEEP_FOUND] ? s->keep[KEEP_FOUND] : s->keep[KEEP_OLD],
				o->value);
}

static void record_back(struct kern *kern, const struct exec_step *s)
{
	if (s->keep[KEEP_FOUND])
		(void)record_found_put(kern->run_dir, s->op.sysctl.path, s->keep[KEEP_FOUND], s->keep[KEEP_OURS]);
	else
		(void)record_found_del(kern->run_dir, s->op.sysctl.path);
}

static void run_sysctl(struct kern *kern, struct exec_step *s)
{
	struct op_sysctl *o = &s->op.sysctl;
	char old[SYSCTL_VALUE_MAX];

	(void)record_found_get(kern->run_dir, o->path, &s->keep[KEEP_FOUND], &s->keep[KEEP_OURS]);
	int r = sysctl_read(kern, o->path, old);
	if (r == 0) {
		s->keep[KEEP_OLD] = xstrdup(old);
		o->old = s->keep[KEEP_OLD];
	}
	/* The record first: after a crash in between there is one too many, never one too few. */
	r = record_set(kern, s);
	if (r < 0) {
		s->err = r;
		(void)snprintf(s->why, sizeof(s->why), "the value found can't be recorded in %.150s: %s", kern->run_dir,
			       strerror(-r));
		return;
	}
	r = sysctl_write(kern, o->path, o->value, s->why);
	if (r == -ENOENT && o->restore)
		r = 0;	/* the interface is gone, and its settings with it */
	if (r < 0) {
		s->err = r;
		record_back(kern, s);
		return;
	}
	if (o->restore)
		(void)record_found_del(kern->run_dir, o->path);
	s->done = true;
}

static int undo_sysctl(struct kern *kern, const struct exec_step *s, const struct op *undo, char why[static NL_WHY_MAX])
{
	int r = sysctl_write(kern, undo->sysctl.path, undo->sysctl.value, why);

	if (r == 0)
		record_back(kern, s);
	return r;
}

/* ------------------------------------------------------------------- nftables */

static void run_nft(struct kern *kern, struct exec_step *s)
{
	struct op_nft *o = &s->op.nft;

	if (o->family == GUARD_FAMILY) {
		s->err = kern_guard_elems(kern, o->del, o->n_del, o->add, o->n_add, s->why);
	} else if (s->op.kind == OP_NFT_ELEMS) {
		s->err = kern_nft_elems(kern, o->family, o->del, o->n_del, o->add, o->n_add, s->why);
	} else {
		if (!o->old_text) {
			s->err = kern_nft_list(kern, o->family, &s->keep[0]);
			if (s->err < 0) {
				(void)str_copy(s->why, sizeof(s->why), "the rules as they are can't be read");
				nl_explain(s->err, s->why);
				return;
			}
			o->old_text = s->keep[0];
		}
		s->err = kern_nft_text(kern, o->family, o->text ? o->text : "", s->why);
	}
	s->done = s->err == 0;
}

static void run_rule(struct kern *kern, struct exec_step *s)
{
	s->err = kern_foreign_rule(kern, &s->op.rule, s->why);
	s->done = s->err == 0;
}

/* -------------------------------------------------------------------- backend */

static void run_confirm(struct kern *kern, struct exec_step *s, struct report *report)
{
	char why[NL_WHY_MAX];

	/* Not a failure: the router may be slow or gone, and taking all back wouldn't bring it. */
	if (confirm_route(kern, s->op.confirm.device, s->op.confirm.timeout_ms, why) != 0)
		report_help(report_add(report, SEVERITY_WARNING, NULL, s->op.confirm.device, "%s", why),
			    "the host may have lost its own IPv6; see: ip -6 route show default");
	s->done = true;
}

static void run(void *user, struct exec_step *steps, size_t n, struct report *report)
{
	struct kern *kern = user;

	switch (steps[0].op.kind) {
	case OP_LINK_ADD:
	case OP_LINK_SET:
	case OP_LINK_DEL:
	case OP_ADDR_ADD:
	case OP_ADDR_DEL:
	case OP_PROXY_ADD:
	case OP_PROXY_DEL:
	case OP_ROUTE_ADD:
	case OP_ROUTE_DEL:
	case OP_NEIGH_ADD:
	case OP_NEIGH_DEL:
		run_rtnl(kern, steps, n);
		break;
	case OP_SYSCTL:
		run_sysctl(kern, steps);
		break;
	case OP_NFT_TABLE:
	case OP_NFT_ELEMS:
		run_nft(kern, steps);
		break;
	case OP_RULE:
		run_rule(kern, steps);
		break;
	case OP_CONFIRM_ROUTE:
		run_confirm(kern, steps, report);
		break;
	case OP_SERVE:
	case OP_UNSERVE:
	case OP_KIND_N_:
		fail_step(steps, -EINVAL, "not the kernel's");
		break;
	}
}

static int undo(void *user, struct exec_step *step, const struct op *back, char why[static NL_WHY_MAX])
{
	struct kern *kern = user;
	struct exec_step one = { .op = *back };

	if (back->kind == OP_SYSCTL)
		return undo_sysctl(kern, step, back, why);
	if (is_rtnl(back))
		run_rtnl(kern, &one, 1);
	else if (back->kind == OP_RULE)
		run_rule(kern, &one);
	else
		run_nft(kern, &one);
	for (size_t i = 0; i < ARRAY_LEN(one.keep); i++)
		free(one.keep[i]);
	(void)str_copy(why, NL_WHY_MAX, one.why);
	return one.err;
}

int kern_apply(struct kern *kern, const struct ops *ops, const struct apply_hooks *hooks, struct report *report)
{
	const struct exec_backend backend = { .joins = joins, .run = run, .undo = undo, .user = kern };

	return exec_ops(&backend, ops, hooks, report);
}
