/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "diag/snap_fields.h"
#include "diag/snapshot.h"

/* ------------------------------------------------------------------- round trip */

/* Something in every member of every struct, so that one that is forgotten shows. */
static void fill(struct snapshot *s, const struct snap_struct *of, uint8_t *at, unsigned int *next)
{
	for (size_t i = 0; i < of->n_fields; i++) {
		const struct snap_field *f = &of->fields[i];
		uint8_t *p = at + f->offset;
		unsigned int n = ++*next;

		switch (f->type) {
		case SNAP_BOOL:
			*(bool *)p = true;
			break;
		case SNAP_U8:
			*p = (uint8_t)(n | 1);
			break;
		case SNAP_U16:
			*(uint16_t *)(void *)p = (uint16_t)(n + 256);
			break;
		case SNAP_U32:
			*(uint32_t *)(void *)p = n + 0xfffe0000;
			break;
		case SNAP_U64:
			*(uint64_t *)(void *)p = n + (UINT64_C(1) << 62);
			break;
		case SNAP_I8:
			*(int8_t *)p = -1;
			break;
		case SNAP_I32:
			*(int32_t *)(void *)p = -(int32_t)n;
			break;
		case SNAP_I64:
			*(int64_t *)(void *)p = INT64_MIN + n;
			break;
		case SNAP_STR:
			*(const char **)(void *)p = arena_printf(s->arena, "text %u \xc3\xa4\n\t\"\\", n);
			break;
		case SNAP_MAC:
			*(struct mac *)(void *)p = (struct mac){ { 2, 0, 0, 0, (uint8_t)(n >> 8), (uint8_t)n } };
			break;
		case SNAP_IP:
			assert_true(ip_parse(n % 2 ? "192.0.2.1" : "2001:db8::1", (struct ip *)(void *)p));
			break;
		case SNAP_PREFIX:
			assert_true(prefix_parse(n % 2 ? "192.0.2.1/24" : "2001:db8::1/0", (struct prefix *)(void *)p));
			break;
		case SNAP_BYTES:
			*(struct snap_bytes *)(void *)p = (struct snap_bytes){ (const uint8_t *)"\0\xff\x7f", 3 };
			break;
		case SNAP_OCTETS:
			memset(p, (int)n, 16);
			break;
		case SNAP_STRUCT:
			fill(s, f->of, p, next);
			break;
		case SNAP_ARRAY: {
			size_t size = snap_field_elem_size(f);
			uint8_t *elems = arena_alloc(s->arena, 2, size);

			for (size_t j = 0; j < 2; j++) {
				if (f->of)
					fill(s, f->of, elems + j * size, next);
				else
					elems[j * size] = (uint8_t)(2 + j);
			}
			*(uint8_t **)(void *)p = elems;
			*(size_t *)(void *)(at + f->count) = 2;
			break;
		}
		case SNAP_TYPE_N_:
			break;
		}
	}
}

static void test_round_trip(void **state)
{
	_cleanup_(report_freep) struct report *report = report_new();
	_cleanup_(snapshot_freep) struct snapshot *s = snapshot_new(), *again = NULL, *loaded = NULL;
	char path[] = "/tmp/test-snapshot-XXXXXX";
	unsigned int next = 0;
	int fd = mkstemp(path);

	(void)state;
	fill(s, &snap_struct_snapshot, (uint8_t *)s, &next);
	assert_true(next > 500);
	s->version = SNAPSHOT_VERSION;
	snapshot_finish(s);
	json_t *a = snapshot_json(s);
	assert_int_equal(snapshot_from_json(&again, a, "x", report), 0);
	json_t *b = snapshot_json(again);
	assert_true(json_equal(a, b));
	/* Two of everything are there, with all that was put in. */
	assert_int_equal(again->n_links, 2);
	assert_int_equal(again->links[0].macvlan.n_sources, 2);
	assert_int_equal(again->tables[1].chains[1].rules[1].exprs[1].data.n, 3);
	assert_true(again->links[0].conf6.present);
	assert_int_equal(again->links[0].conf6.accept_ra, s->links[0].conf6.accept_ra);
	(void)close(fd);
	assert_int_equal(snapshot_save(s, path, report), 0);
	assert_int_equal(snapshot_load(&loaded, path, report), 0);
	json_t *c = snapshot_json(loaded);
	assert_true(json_equal(a, c));
	assert_int_equal(report_n(report), 0);
	json_decref(a);
	json_decref(b);
	json_decref(c);
	(void)unlink(path);
}

static const struct {
	const char *why, *text, *said;
} refused[] = {
	{ "nothing at all", "", "it is empty" },
	{ "cut in the middle", "{\"format\":\"sixtap-snapshot\",\"version\":1,\"links\":[{\"ifin", "is it cut off?" },
	{ "some other JSON", "{\"version\":1,\"networks\":[]}", "not a snapshot" },
	{ "a list", "[1,2]", "not a snapshot" },
	{ "a newer version", "{\"format\":\"sixtap-snapshot\",\"version\":2}", "version 2; this sixtap reads version 1" },
	{ "a version that isn't a number", "{\"format\":\"sixtap-snapshot\",\"version\":\"1\"}", "not a snapshot" },
	{ "too large for its member", "{\"format\":\"sixtap-snapshot\",\"version\":1,\"links\":[{},{\"ifindex\":4294967296}]}",
	  "links[1].ifindex: not a number that fits" },
	{ "negative", "{\"format\":\"sixtap-snapshot\",\"version\":1,\"links\":[{\"mtu\":-1}]}", "links[0].mtu: not a number" },
	{ "a number as text", "{\"format\":\"sixtap-snapshot\",\"version\":1,\"links\":[{\"name\":5}]}", "links[0].name: not a text" },
	{ "an escape sequence", "{\"format\":\"sixtap-snapshot\",\"version\":1,\"links\":[{\"name\":\"\\u001b[2J\"}]}",
	  "without control characters" },
	{ "an end inside a text", "{\"format\":\"sixtap-snapshot\",\"version\":1,\"links\":[{\"name\":\"a\\u0000b\"}]}", "" },
	{ "one name twice", "{\"format\":\"sixtap-snapshot\",\"version\":1,\"links\":[],\"links\":[]}", "duplicate" },
	{ "an address that isn't one", "{\"format\":\"sixtap-snapshot\",\"version\":1,\"neighs\":[{\"ip\":\"10.0.0.256\"}]}", "not an address" },
	{ "a prefix too long", "{\"format\":\"sixtap-snapshot\",\"version\":1,\"addrs\":[{\"prefix\":\"10.0.0.1/33\"}]}", "not a prefix" },
	{ "bytes of half a digit", "{\"format\":\"sixtap-snapshot\",\"version\":1,\"tables\":[{\"sets\":[{\"elems\":[{\"key\":\"0\"}]}]}]}",
	  "tables[0].sets[0].elems[0].key: not bytes" },
	{ "an object where a list belongs", "{\"format\":\"sixtap-snapshot\",\"version\":1,\"links\":{}}", "links: not a list" },
	{ "deeper than any", NULL, "is it cut off?" },
	{ "more than any host has", NULL, "more than any host has" },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		_cleanup_(report_freep) struct report *report = report_new();
		_cleanup_(snapshot_freep) struct snapshot *s = NULL;
		char path[] = "/tmp/test-snapshot-XXXXXX";
		FILE *f = fdopen(mkstemp(path), "w");

		if (refused[i].text) {
			(void)fputs(refused[i].text, f);
		} else {
			bool deep = strcmp(refused[i].said, "is it cut off?") == 0;

			(void)fputs("{\"format\":\"sixtap-snapshot\",\"version\":1,\"links\":[", f);
			for (size_t k = 0; k < (deep ? 100000 : 1000000); k++)
				(void)fputs(deep ? "[" : k ? ",{}" : "{}", f);
			(void)fputs(deep ? "" : "]}", f);
		}
		(void)fclose(f);
		int r = snapshot_load(&s, path, report);
		(void)unlink(path);
		if (r >= 0 || s || report_n_errors(report) != 1)
			fail_msg("%s: taken", refused[i].why);
		if (!strstr(report_get(report, 0)->what, refused[i].said))
			fail_msg("%s: it said \"%s\"", refused[i].why, report_get(report, 0)->what);
	}
}

/* ---------------------------------------------------------------------- lookups */

static struct snapshot *load_text(const char *text)
{
	_cleanup_(report_freep) struct report *report = report_new();
	json_t *root = json_loads(text, 0, NULL);
	struct snapshot *s = NULL;

	assert_non_null(root);
	assert_int_equal(snapshot_from_json(&s, root, "x", report), 0);
	json_decref(root);
	return s;
}

static void test_routes(void **state)
{
	static const struct {
		const char *why, *dst;
		uint32_t table, oif;	/* 0: none */
	} cases[] = {
		{ "the longest prefix", "10.1.2.3", 254, 3 }, { "a shorter one", "10.1.3.3", 254, 2 }, { "the default", "192.0.2.1", 254, 1 },
		{ "the least metric", "10.9.0.1", 254, 5 },	 { "a dead nexthop is passed over", "10.8.0.1", 254, 7 },
		{ "another table", "10.1.2.3", 77, 9 },	 { "nothing in it", "11.0.0.1", 77, 0 },
		{ "the other family", "2001:db8::1", 254, 8 }, { "no route of that family", "fd00::1", 254, 0 },
	};
	_cleanup_(snapshot_freep) struct snapshot *s = load_text(
		"{\"format\":\"sixtap-snapshot\",\"version\":1,\"routes\":["
		"{\"dst\":\"0.0.0.0/0\",\"table\":254,\"oif\":1},{\"dst\":\"10.1.0.0/16\",\"table\":254,\"oif\":2},"
		"{\"dst\":\"10.1.2.0/24\",\"table\":254,\"oif\":3},{\"dst\":\"10.9.0.0/16\",\"table\":254,\"oif\":4,\"metric\":20},"
		"{\"dst\":\"10.9.0.0/16\",\"table\":254,\"oif\":5,\"metric\":10},"
		"{\"dst\":\"10.8.0.0/16\",\"table\":254,\"oif\":6,\"flags\":1},{\"dst\":\"10.8.0.0/16\",\"table\":254,\"oif\":7,\"metric\":9},"
		"{\"dst\":\"10.0.0.0/8\",\"table\":77,\"oif\":9},{\"dst\":\"2001:db8::/32\",\"table\":254,\"oif\":8}]}");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ip dst;

		assert_true(ip_parse(cases[i].dst, &dst));
		const struct snap_route *r = snap_route_lookup(s, cases[i].table, &dst);
		if ((r ? r->oif : 0) != cases[i].oif)
			fail_msg("%s: %s goes by %u", cases[i].why, cases[i].dst, r ? r->oif : 0);
	}
}

static void test_settings(void **state)
{
	static const struct {
		const char *why, *path, *value;
	} values[] = {
		{ "one that has no interface", "net/ipv4/ip_forward", "1" },
		{ "of an interface", "net/ipv6/conf/eth0/accept_ra", "2" },
		{ "with a VLAN's name", "net/ipv6/conf/eth0.7/accept_ra", "0" },
		{ "of all", "net/ipv6/conf/all/forwarding", "1" },
		{ "an interface that isn't there", "net/ipv6/conf/eth9/accept_ra", NULL },
		{ "one that nobody reads", "net/ipv6/conf/eth0/nonsense", NULL },
		{ "no IPv4 there", "net/ipv4/conf/eth0/forwarding", NULL },
	};
	static const struct {
		const char *why, *path, *file;
	} lines[] = {
		{ "the last one wins", "net/ipv4/ip_forward", "/etc/sysctl.d/90.conf" },
		{ "a pattern where nothing names it", "net/ipv6/conf/eth1/accept_ra", "/etc/sysctl.d/70.conf" },
		{ "a name beats a pattern behind it", "net/ipv6/conf/eth0/accept_ra", "/etc/sysctl.d/50.conf" },
		{ "taken out of patterns", "net/ipv6/conf/eth2/accept_ra", NULL },
		{ "what nobody reads at boot doesn't count", "net/ipv4/tcp_syncookies", NULL },
	};
	_cleanup_(snapshot_freep) struct snapshot *s = load_text(
		"{\"format\":\"sixtap-snapshot\",\"version\":1,\"sysctls\":[{\"path\":\"net/ipv4/ip_forward\",\"value\":\"1\"}],"
		"\"conf6_all\":{\"present\":true,\"forwarding\":1},\"links\":["
		"{\"ifindex\":2,\"name\":\"eth0\",\"conf6\":{\"present\":true,\"accept_ra\":2}},"
		"{\"ifindex\":3,\"name\":\"eth0.7\",\"conf6\":{\"present\":true}}],\"sysctl_lines\":["
		"{\"path\":\"net/ipv4/ip_forward\",\"value\":\"0\",\"file\":\"/etc/sysctl.d/10.conf\",\"line\":1},"
		"{\"path\":\"net/ipv6/conf/eth0/accept_ra\",\"value\":\"2\",\"file\":\"/etc/sysctl.d/50.conf\",\"line\":2},"
		"{\"path\":\"net/ipv6/conf/eth2/accept_ra\",\"excluded\":true,\"file\":\"/etc/sysctl.d/60.conf\",\"line\":3},"
		"{\"path\":\"net/ipv6/conf/eth*/accept_ra\",\"value\":\"1\",\"file\":\"/etc/sysctl.d/70.conf\",\"line\":4},"
		"{\"path\":\"net/ipv4/ip_forward\",\"value\":\"1\",\"file\":\"/etc/sysctl.d/90.conf\",\"line\":5},"
		"{\"path\":\"net/ipv4/tcp_syncookies\",\"value\":\"1\",\"file\":\"/etc/sysctl.conf\",\"by\":\"nobody\"}]}");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		const char *v = snap_sysctl(s, values[i].path);

		if (v ? !values[i].value || strcmp(v, values[i].value) != 0 : values[i].value != NULL)
			fail_msg("%s: %s is %s", values[i].why, values[i].path, v ? v : "nothing");
	}
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		const struct snap_sysctl_line *l = snap_sysctl_line(s, lines[i].path);

		if (l ? !lines[i].file || strcmp(l->file, lines[i].file) != 0 : lines[i].file != NULL)
			fail_msg("%s: %s is set in %s", lines[i].why, lines[i].path, l ? l->file : "nothing");
	}
}

static void test_texts_are_tame(void **state)
{
	_cleanup_(snapshot_freep) struct snapshot *s = snapshot_new();

	(void)state;
	s->host = "a\x1b[31mb\xff\xc2\x9bz";
	snapshot_add_unread(s, SNAP_PART_QMP, "guest\x07", "it said %s", "\x7f");
	snapshot_finish(s);
	assert_string_equal(s->host, "a?[31mb???z");
	assert_string_equal(s->unread[0].subject, "guest?");
	assert_string_equal(s->unread[0].why, "it said ?");
	assert_string_equal(s->kernel, "");
	assert_string_equal(snap_unread(s, SNAP_PART_QMP), "it said ?");
	assert_null(snap_unread(s, SNAP_PART_NFTABLES));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_refused),	  cmocka_unit_test(test_routes),
		cmocka_unit_test(test_settings),   cmocka_unit_test(test_texts_are_tame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
