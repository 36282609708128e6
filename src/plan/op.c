/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * op - one change, the waist between wish and kernel
 */
#include "plan/op.h"

#include <assert.h>

const char *const op_kind_name[OP_KIND_N_] = {
	[OP_SYSCTL] = "sysctl",
	[OP_LINK_ADD] = "link-add",
	[OP_LINK_SET] = "link-set",
	[OP_LINK_DEL] = "link-del",
	[OP_ADDR_ADD] = "addr-add",
	[OP_ADDR_DEL] = "addr-del",
	[OP_PROXY_ADD] = "proxy-add",
	[OP_PROXY_DEL] = "proxy-del",
	[OP_ROUTE_ADD] = "route-add",
	[OP_ROUTE_DEL] = "route-del",
	[OP_NEIGH_ADD] = "neigh-add",
	[OP_NEIGH_DEL] = "neigh-del",
	[OP_NFT_TABLE] = "nft-table",
	[OP_NFT_ELEMS] = "nft-elems",
	[OP_RULE] = "rule",
	[OP_SERVE] = "serve",
	[OP_UNSERVE] = "unserve",
	[OP_CONFIRM_ROUTE] = "confirm-route",
};

const char *const op_action_name[OP_ACTION_N_] = {
	[OP_ACTION_CREATE] = "create",
	[OP_ACTION_CHANGE] = "change",
	[OP_ACTION_REMOVE] = "remove",
	[OP_ACTION_WAIT] = "wait",
};

/* Turned round: what was created is removed again. */
static const enum op_action opposite[OP_ACTION_N_] = {
	[OP_ACTION_CREATE] = OP_ACTION_REMOVE,
	[OP_ACTION_CHANGE] = OP_ACTION_CHANGE,
	[OP_ACTION_REMOVE] = OP_ACTION_CREATE,
	[OP_ACTION_WAIT] = OP_ACTION_WAIT,
};

struct ops *ops_new(void)
{
	struct ops *ops = NEW(struct ops);

	ops->arena = arena_new();
	return ops;
}

struct ops *ops_free(struct ops *ops)
{
	if (!ops)
		return NULL;
	arena_free(ops->arena);
	free(ops);
	return NULL;
}

struct op *ops_add(struct ops *ops, enum op_kind kind, enum op_action action)
{
	struct op *op;

	assert(kind < OP_KIND_N_ && action < OP_ACTION_N_);
	ARENA_GROW(ops->arena, ops->ops, ops->n, ops->cap);
	op = &ops->ops[ops->n++];
	*op = (struct op){ .kind = kind, .action = action, .object = "", .what = "", .why = "" };
	return op;
}

static bool undo_sysctl(const struct op *op, struct op *u)
{
	if (!op->sysctl.old)
		return false;
	u->sysctl.value = op->sysctl.old;
	u->sysctl.old = op->sysctl.value;
	u->sysctl.restore = !op->sysctl.restore;
	return true;
}

/* Attributes that a link was made with are all known: it is made the same again. */
static void undo_link(const struct op *op, struct op *u, enum op_kind kind)
{
	u->kind = kind;
	u->link = op->old_link;
	u->old_link = op->link;
	if (op->kind == OP_LINK_ADD) {
		u->link = op->link;
		u->old_link = op->link;
	} else if (op->kind == OP_LINK_SET) {
		u->link.mask = op->link.mask;
		memcpy(u->link.name, op->link.name, sizeof(u->link.name));
		u->link.ifindex = op->link.ifindex;
	} else {
		u->link.ifindex = 0;	/* the kernel gives it a new one */
	}
}

static void undo_serve(const struct op *op, struct op *u)
{
	u->kind = op->serve.old_service ? OP_SERVE : OP_UNSERVE;
	u->serve = (struct op_serve){
		.service = op->serve.old_service,
		.hosts = op->serve.old_hosts,
		.n_hosts = op->serve.n_old_hosts,
		.old_service = op->serve.service,
		.old_hosts = op->serve.hosts,
		.n_old_hosts = op->serve.n_hosts,
		.goodbye = !op->serve.old_service,
	};
}

bool op_undo(const struct op *op, struct op *ret)
{
	struct op u = *op;

	u.action = opposite[op->action];
	u.why = "taken back";
	switch (op->kind) {
	case OP_SYSCTL:
		if (!undo_sysctl(op, &u))
			return false;
		break;
	case OP_LINK_ADD:
		undo_link(op, &u, OP_LINK_DEL);
		break;
	case OP_LINK_SET:
		undo_link(op, &u, OP_LINK_SET);
		break;
	case OP_LINK_DEL:
		undo_link(op, &u, OP_LINK_ADD);
		break;
	case OP_ADDR_ADD:
		if (op->action == OP_ACTION_CHANGE)
			u.addr.deprecated = !op->addr.deprecated;
		else
			u.kind = OP_ADDR_DEL;
		break;
	case OP_ADDR_DEL:
		u.kind = OP_ADDR_ADD;
		break;
	case OP_PROXY_ADD:
		u.kind = OP_PROXY_DEL;
		break;
	case OP_PROXY_DEL:
		u.kind = OP_PROXY_ADD;
		break;
	case OP_ROUTE_ADD:
		u.kind = OP_ROUTE_DEL;
		break;
	case OP_ROUTE_DEL:
		u.kind = OP_ROUTE_ADD;
		break;
	case OP_NEIGH_ADD:
		u.kind = OP_NEIGH_DEL;
		break;
	case OP_NEIGH_DEL:
		u.kind = OP_NEIGH_ADD;
		break;
	case OP_NFT_TABLE:
		if (!op->nft.old_text)
			return false;
		SWAP(u.nft.text, u.nft.old_text);
		SWAP(u.nft.table, u.nft.old_table);
		break;
	case OP_NFT_ELEMS:
		SWAP(u.nft.add, u.nft.del);
		SWAP(u.nft.n_add, u.nft.n_del);
		break;
	case OP_RULE:
		SWAP(u.rule.add, u.rule.old);
		SWAP(u.rule.n_add, u.rule.n_old);
		SWAP(u.rule.before, u.rule.old_before);
		break;
	case OP_SERVE:
	case OP_UNSERVE:
		if (op->action != OP_ACTION_CREATE && !op->serve.old_service)
			return false;
		undo_serve(op, &u);
		break;
	case OP_CONFIRM_ROUTE:
		return false;
	case OP_KIND_N_:
		assert(op->kind != OP_KIND_N_);
		return false;
	}
	*ret = u;
	return true;
}

json_t *ops_json(const struct ops *ops)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ops->n; i++) {
		const struct op *op = &ops->ops[i];

		if (op->action == OP_ACTION_WAIT)
			continue;
		json_t *change = json_object();
		json_object_set_new(change, "object", json_string(op->object));
		json_object_set_new(change, "action", json_string(op_action_name[op->action]));
		json_object_set_new(change, "what", json_string(op->what));
		json_object_set_new(change, "why", json_string(op->why));
		if (op->network)
			json_object_set_new(change, "network", json_string(op->network));
		json_array_append_new(list, change);
	}
	return list;
}

size_t ops_n_changes(const struct ops *ops)
{
	size_t n = 0;

	for (size_t i = 0; i < ops->n; i++)
		n += ops->ops[i].action != OP_ACTION_WAIT;
	return n;
}
