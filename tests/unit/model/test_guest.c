/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "model/guest.h"

static struct d_forward forward(uint16_t host, uint16_t guest)
{
	return (struct d_forward){ .spec = "x", .proto = L4PROTO_TCP, .host_first = host, .host_last = host,
				   .guest_first = guest, .guest_last = guest };
}

static struct live_forward *live(const char *network, const char *guest, uint16_t host, uint16_t to)
{
	struct live_forward *f = live_forward_new(network, guest);

	f->forward = forward(host, to);
	f->forward.runtime = true;
	return f;
}

static int by_order(const void *a, const void *b)
{
	return live_forward_cmp(*(struct live_forward *const *)a, *(struct live_forward *const *)b);
}

static const struct d_guest *find(const struct d_network *n, const char *name)
{
	for (size_t i = 0; i < n->n_guests; i++)
		if (str_eq(n->guests[i].name, name))
			return &n->guests[i];
	return NULL;
}

static bool has(const struct d_guest *g, uint16_t host, bool runtime)
{
	for (size_t i = 0; i < g->n_forwards; i++)
		if (g->forwards[i].host_first == host && g->forwards[i].runtime == runtime)
			return true;
	return false;
}

static void live_forwards_join_their_guests(void **state)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	const struct d_forward own[] = { forward(8080, 80), forward(9001, 91) };
	struct d_guest guests[] = { { .name = "db" }, { .name = "web", .forwards = own, .n_forwards = 2 } };
	const struct d_network network = { .name = "lan", .guests = guests, .n_guests = 2 };
	struct guest *running = guest_new();
	struct live_forward *all[] = { live("lan", "web", 9002, 92), live("lan", "web", 9001, 91), live("lan", "web", 9000, 90),
				       live("lan", "late", 7000, 70), live("lan", "gone", 6000, 60), live("dmz", "web", 5000, 50),
				       live("lan", "db", 4000, 40) };

	(void)state;
	(void)str_copy(running->network, sizeof(running->network), "lan");
	(void)str_copy(running->name, sizeof(running->name), "late");
	guest_forwards(running)[running->n_forwards++] = forward(7001, 71);
	qsort(all, ARRAY_LEN(all), sizeof(*all), by_order);
	struct d_network *n = network_with_guests(&network, &running, 1, arena);
	network_add_forwards(n, all, ARRAY_LEN(all), arena);
	guest_free(running);		/* the network doesn't need it any more */

	assert_int_equal(n->n_guests, 3);
	assert_int_equal(find(n, "web")->n_forwards, 4);
	assert_true(has(find(n, "web"), 8080, false));
	assert_true(has(find(n, "web"), 9000, true) && has(find(n, "web"), 9002, true));
	assert_true(has(find(n, "web"), 9001, false));		/* the file's counts … */
	assert_false(has(find(n, "web"), 9001, true));		/* … and not the live one too */
	assert_true(has(find(n, "late"), 7000, true) && has(find(n, "late"), 7001, false));
	assert_string_equal(find(n, "late")->forwards[0].spec, "x");
	assert_int_equal(find(n, "db")->n_forwards, 1);
	assert_int_equal(guests[1].n_forwards, 2);		/* the configuration stays as it is */
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		live_forward_free(all[i]);
}

static void same_forwards(void **state)
{
	struct d_forward a = forward(80, 80), b = a;

	(void)state;
	b.force = b.runtime = true;
	b.spec = "y";
	assert_true(forward_is_same(&a, &b));
	b.host = ip4((struct in_addr){ 0x01020304 });
	assert_false(forward_is_same(&a, &b));
	b = a;
	b.proto = L4PROTO_UDP;
	assert_false(forward_is_same(&a, &b));
	b = a;
	b.guest_first = 81;
	assert_false(forward_is_same(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(live_forwards_join_their_guests),
		cmocka_unit_test(same_forwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
