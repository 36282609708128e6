/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "plan/op.h"

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < OP_KIND_N_; i++)
		assert_non_null(op_kind_name[i]);
	assert_string_equal(op_action_name[OP_ACTION_CREATE], "create");
	assert_string_equal(op_action_name[OP_ACTION_CHANGE], "change");
	assert_string_equal(op_action_name[OP_ACTION_REMOVE], "remove");
}

static void test_undo_kinds(void **state)
{
	static const struct {
		const char *why;
		struct op op;
		bool can;
		enum op_kind kind;
		enum op_action action;
	} rows[] = {
		{ "a link made goes", { .kind = OP_LINK_ADD, .action = OP_ACTION_CREATE }, true, OP_LINK_DEL, OP_ACTION_REMOVE },
		{ "a link gone comes", { .kind = OP_LINK_DEL, .action = OP_ACTION_REMOVE }, true, OP_LINK_ADD, OP_ACTION_CREATE },
		{ "an address added goes", { .kind = OP_ADDR_ADD, .action = OP_ACTION_CREATE }, true, OP_ADDR_DEL,
		  OP_ACTION_REMOVE },
		{ "a value not known", { .kind = OP_SYSCTL, .action = OP_ACTION_CHANGE }, false, 0, 0 },
		{ "tables not known", { .kind = OP_NFT_TABLE, .action = OP_ACTION_CHANGE }, false, 0, 0 },
		{ "tables known", { .kind = OP_NFT_TABLE, .action = OP_ACTION_CREATE, .nft.old_text = "" }, true, OP_NFT_TABLE,
		  OP_ACTION_REMOVE },
		{ "a new service ends", { .kind = OP_SERVE, .action = OP_ACTION_CREATE }, true, OP_UNSERVE, OP_ACTION_REMOVE },
		{ "a changed service, not known", { .kind = OP_SERVE, .action = OP_ACTION_CHANGE }, false, 0, 0 },
		{ "a wait", { .kind = OP_CONFIRM_ROUTE, .action = OP_ACTION_WAIT }, false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct op u;

		if (op_undo(&rows[i].op, &u) != rows[i].can)
			fail_msg("%s", rows[i].why);
		if (rows[i].can && (u.kind != rows[i].kind || u.action != rows[i].action))
			fail_msg("%s: %s %s", rows[i].why, op_action_name[u.action], op_kind_name[u.kind]);
	}
}

static void test_undo_values(void **state)
{
	struct op s = { .kind = OP_SYSCTL, .action = OP_ACTION_CHANGE, .sysctl = { "p", "1", "0", false, false } }, u, again;
	const struct nft_elem a = { .set = "nets" }, d = { .set = "same" };
	struct op e = { .kind = OP_NFT_ELEMS, .action = OP_ACTION_CHANGE, .nft = { .add = &a, .n_add = 1, .del = &d, .n_del = 1 } };
	struct op l = { .kind = OP_LINK_SET, .action = OP_ACTION_CHANGE,
			.link = { .name = "lan", .ifindex = 7, .mask = OP_LINK_MTU, .mtu = 1400 }, .old_link = { .mtu = 1500 } };
	struct service one = { .mtu = 1 }, two = { .mtu = 2 };
	struct op v = { .kind = OP_SERVE, .action = OP_ACTION_CHANGE, .serve = { .service = &two, .old_service = &one } };

	(void)state;
	assert_true(op_undo(&s, &u));
	assert_string_equal(u.sysctl.value, "0");
	assert_true(u.sysctl.restore);
	assert_true(op_undo(&u, &again));
	assert_string_equal(again.sysctl.value, "1");
	assert_false(again.sysctl.restore);
	assert_true(op_undo(&e, &u));
	assert_ptr_equal(u.nft.add, &d);
	assert_ptr_equal(u.nft.del, &a);
	assert_true(op_undo(&l, &u));
	assert_int_equal(u.link.mtu, 1500);
	assert_int_equal(u.link.mask, OP_LINK_MTU);
	assert_int_equal(u.link.ifindex, 7);
	assert_string_equal(u.link.name, "lan");
	assert_true(op_undo(&v, &u));
	assert_int_equal(u.kind, OP_SERVE);
	assert_ptr_equal(u.serve.service, &one);
}

static void test_json(void **state)
{
	_cleanup_(ops_freep) struct ops *ops = ops_new();
	struct op *op = ops_add(ops, OP_LINK_ADD, OP_ACTION_CREATE);

	(void)state;
	op->network = "lan";
	op->object = "link lan";
	op->what = "bridge";
	(void)ops_add(ops, OP_CONFIRM_ROUTE, OP_ACTION_WAIT);
	json_t *j = ops_json(ops);
	assert_int_equal(json_array_size(j), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(j, 0), "object")), "link lan");
	assert_string_equal(json_string_value(json_object_get(json_array_get(j, 0), "action")), "create");
	assert_string_equal(json_string_value(json_object_get(json_array_get(j, 0), "what")), "bridge");
	assert_int_equal(ops_n_changes(ops), 1);
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_undo_kinds),
		cmocka_unit_test(test_undo_values),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
