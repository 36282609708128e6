/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "base/mem.h"
#include "resp/mcast.h"

#define T0 (100 * MONO_S)

/* What main has joined, and the guest of one test. */
struct bench {
	struct mcast *m;
	struct mac joined[MCAST_GROUPS];
	uint8_t reasons[MCAST_GROUPS];
	size_t n;
	uint8_t all;
};

static struct bench bench(bool may_ask)
{
	struct bench b = { 0 };

	assert_int_equal(mcast_new(&b.m, T0), 0);
	mcast_may_ask(b.m, may_ask);
	return b;
}

static void take(struct bench *b)
{
	struct mcast_change c;

	while (mcast_change(b->m, &c)) {
		size_t i = 0;

		if (mac_is_zero(&c.group)) {
			b->all = c.reasons;
			continue;
		}
		assert_true(mac_is_multicast(&c.group));
		while (i < b->n && !mac_eq(&b->joined[i], &c.group))
			i++;
		if (c.reasons) {
			assert_true(i < MCAST_GROUPS);
			b->joined[i] = c.group;
			b->reasons[i] = c.reasons;
			b->n += i == b->n;
		} else {
			assert_true(i < b->n);	/* left what wasn't joined */
			b->joined[i] = b->joined[b->n - 1];
			b->reasons[i] = b->reasons[--b->n];
		}
	}
}

static uint8_t why(struct bench *b, const char *mac_text)
{
	struct mac mac;

	take(b);
	assert_true(mac_parse(mac_text, &mac));
	for (size_t i = 0; i < b->n; i++)
		if (mac_eq(&b->joined[i], &mac))
			return b->reasons[i];
	return 0;
}

static struct in6_addr v6(const char *s)
{
	struct in6_addr a;

	assert_int_equal(inet_pton(AF_INET6, s, &a), 1);
	return a;
}

static void mld(struct bench *b, enum mld_record_type type, const char *group, uint16_t n_sources, mono_t now)
{
	struct mld_report r = { .n_records = 1, .records = { { .type = type, .group = v6(group), .n_sources = n_sources } } };

	mcast_mld(b->m, &r, now);
}

static void dad(struct bench *b, const char *target, mono_t now)
{
	struct ndp_ns ns = { .target = v6(target) };

	mcast_ns(b->m, &ns, now);
}

static void igmp(struct bench *b, enum mld_record_type type, const char *group, mono_t now)
{
	struct igmp_report r = { .current = true, .n_records = 1, .records = { { .type = type } } };

	assert_int_equal(inet_pton(AF_INET, group, &r.records[0].group), 1);
	mcast_igmp(b->m, &r, now);
}

#define ALL_NODES "33:33:00:00:00:01"

static void test_reports(void **state)
{
	static const struct {
		const char *why;
		enum mld_record_type first, then;	/* 0: nothing */
		uint16_t n_first, n_then;
		uint8_t want;
	} t[] = {
		{ "TO_EX{} joins", MLD_TO_EXCLUDE, 0, 0, 0, MCAST_BY_MLD },
		{ "IS_EX{} of a guest that was there before us", MLD_IS_EXCLUDE, 0, 0, 0, MCAST_BY_MLD },
		{ "ALLOW of a source joins", MLD_ALLOW, 0, 1, 0, MCAST_BY_MLD },
		{ "TO_IN of a source joins", MLD_TO_INCLUDE, 0, 1, 0, MCAST_BY_MLD },
		{ "TO_IN{} leaves", MLD_TO_EXCLUDE, MLD_TO_INCLUDE, 0, 0, 0 },
		{ "TO_IN{S} after TO_EX stays", MLD_TO_EXCLUDE, MLD_TO_INCLUDE, 0, 2, MCAST_BY_MLD },
		{ "BLOCK says nothing of other sources", MLD_ALLOW, MLD_BLOCK, 1, 1, MCAST_BY_MLD },
		{ "twice the same", MLD_TO_EXCLUDE, MLD_TO_EXCLUDE, 0, 0, MCAST_BY_MLD },
		{ "a leave without a join", MLD_TO_INCLUDE, 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct bench b = bench(false);

		mld(&b, t[i].first, "ff02::1:ff00:1234", t[i].n_first, T0);
		if (t[i].then)
			mld(&b, t[i].then, "ff02::1:ff00:1234", t[i].n_then, T0 + MONO_S);
		if (why(&b, "33:33:ff:00:12:34") != t[i].want)
			fail_msg("%s", t[i].why);
		assert_int_equal(why(&b, ALL_NODES), MCAST_BY_MLD);	/* never reported, never left */
		mcast_free(b.m);
	}
}

static void test_block_asks(void **state)
{
	struct bench b = bench(true);

	(void)state;
	assert_true(mcast_tick(b.m, T0));
	assert_false(mcast_tick(b.m, T0 + 3 * MONO_S));
	mld(&b, MLD_ALLOW, "ff3e::8000:1", 1, T0 + 10 * MONO_S);
	mld(&b, MLD_BLOCK, "ff3e::8000:1", 1, T0 + 20 * MONO_S);
	assert_true(mcast_deadline(b.m) <= T0 + 21 * MONO_S);
	mcast_free(b.m);
}

/* Two addresses with the same low 24 bits have one Ethernet group. */
static void test_shared_group(void **state)
{
	struct bench b = bench(false);

	(void)state;
	mld(&b, MLD_TO_EXCLUDE, "ff02::1:ff00:1", 0, T0);
	mld(&b, MLD_TO_EXCLUDE, "ff05::1:ff00:1", 0, T0);
	mld(&b, MLD_TO_INCLUDE, "ff02::1:ff00:1", 0, T0);
	assert_int_equal(why(&b, "33:33:ff:00:00:01"), MCAST_BY_MLD);
	mld(&b, MLD_TO_INCLUDE, "ff05::1:ff00:1", 0, T0);
	assert_int_equal(why(&b, "33:33:ff:00:00:01"), 0);
	mcast_free(b.m);
}

static void test_addresses(void **state)
{
	struct bench b = bench(false);
	struct ndp_ns ns = { .src = v6("2001:db8::a:1"), .target = v6("2001:db8::1") };
	struct ndp_na na = { .target = v6("2001:db8::b:2") };
	struct ip declared = { .family = AF_INET6, .v6 = v6("2001:db8::c:3") };

	(void)state;
	dad(&b, "2001:db8::77", T0);
	assert_int_equal(why(&b, "33:33:ff:00:00:77"), MCAST_BY_DAD);
	mld(&b, MLD_TO_EXCLUDE, "ff02::1:ff00:77", 0, T0 + MONO_S);
	assert_int_equal(why(&b, "33:33:ff:00:00:77"), MCAST_BY_DAD | MCAST_BY_MLD);
	mld(&b, MLD_TO_INCLUDE, "ff02::1:ff00:77", 0, T0 + 2 * MONO_S);
	assert_int_equal(why(&b, "33:33:ff:00:00:77"), 0);
	mcast_ns(b.m, &ns, T0);
	assert_int_equal(why(&b, "33:33:ff:0a:00:01"), MCAST_BY_DAD);
	assert_int_equal(why(&b, "33:33:ff:00:00:01"), 0);	/* whom it looks for is not who it is */
	mcast_na(b.m, &na, T0);
	assert_int_equal(why(&b, "33:33:ff:0b:00:02"), MCAST_BY_DAD);
	mcast_declare(b.m, &declared, 1);
	assert_int_equal(why(&b, "33:33:ff:0c:00:03"), MCAST_BY_DECLARED);
	mld(&b, MLD_TO_INCLUDE, "ff02::1:ff0c:3", 0, T0);
	assert_int_equal(why(&b, "33:33:ff:0c:00:03"), MCAST_BY_DECLARED);	/* the guest doesn't decide that */
	mcast_declare(b.m, NULL, 0);
	assert_int_equal(why(&b, "33:33:ff:0c:00:03"), 0);
	mcast_free(b.m);
}

static void test_igmp(void **state)
{
	struct bench b = bench(false);

	(void)state;
	igmp(&b, MLD_TO_EXCLUDE, "239.129.2.3", T0);
	assert_int_equal(why(&b, "01:00:5e:01:02:03"), MCAST_BY_MLD);
	assert_int_equal(why(&b, "01:00:5e:00:00:01"), MCAST_BY_MLD);
	igmp(&b, MLD_TO_EXCLUDE, "239.1.2.3", T0);	/* the same 23 bits */
	igmp(&b, MLD_TO_INCLUDE, "239.129.2.3", T0);
	assert_int_equal(why(&b, "01:00:5e:01:02:03"), MCAST_BY_MLD);
	igmp(&b, MLD_TO_INCLUDE, "239.1.2.3", T0);
	assert_int_equal(why(&b, "01:00:5e:01:02:03"), 0);
	mcast_free(b.m);
}

/* The guest of the next two answers a query with what it has: @n addresses ::1000:0001 and so on. */
static void answer(struct bench *b, size_t n, mono_t now)
{
	for (size_t i = 0; i < n; i++) {
		char group[64];

		(void)snprintf(group, sizeof(group), "ff02::1:ff10:%zx", i + 1);
		mld(b, MLD_IS_EXCLUDE, group, 0, now);
	}
}

/* Temporary addresses come and go, and each third leave gets lost. */
static void test_rotation(void **state)
{
	struct bench b = bench(true);
	mono_t now = T0;

	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		char address[64], group[64], mac[MAC_STRLEN];

		(void)snprintf(address, sizeof(address), "2001:db8::20:%x", i);
		(void)snprintf(group, sizeof(group), "ff02::1:ff20:%x", i);
		(void)snprintf(mac, sizeof(mac), "33:33:ff:20:%02x:%02x", i >> 8, i & 0xff);
		now += MONO_S;
		dad(&b, address, now);
		assert_true(why(&b, mac) & MCAST_BY_DAD);
		mld(&b, MLD_TO_EXCLUDE, group, 0, now + 500 * MONO_MS);
		assert_true(why(&b, mac) & MCAST_BY_MLD);
		now += 2 * MONO_S;
		if (i % 3)
			mld(&b, MLD_TO_INCLUDE, group, 0, now);
		while (mcast_deadline(b.m) <= now) {	/* asked, it names its one lasting group */
			mono_t at = mcast_deadline(b.m);

			if (mcast_tick(b.m, at))
				answer(&b, 1, at + 300 * MONO_MS);
		}
		take(&b);
		assert_true(b.n < MCAST_GROUPS);
	}
	/* An hour later nothing is left but what it has: all nodes and its own. */
	for (mono_t end = now + 3600 * MONO_S; mcast_deadline(b.m) <= end;) {
		mono_t at = mcast_deadline(b.m);

		if (mcast_tick(b.m, at))
			answer(&b, 1, at + 300 * MONO_MS);
	}
	take(&b);
	assert_int_equal(b.n, 2);
	assert_int_equal(why(&b, "33:33:ff:10:00:01"), MCAST_BY_MLD);
	assert_int_equal(b.all, 0);
	mcast_free(b.m);
}

/* Time goes on to the next query. */
static mono_t next_query(struct bench *b)
{
	for (;;) {
		mono_t at = mcast_deadline(b->m);

		assert_true(at < MONO_NEVER);
		if (mcast_tick(b->m, at))
			return at;
	}
}

/* One lost answer drops nothing, and no answer at all never does. */
static void test_silence(void **state)
{
	struct bench b = bench(true);
	unsigned int asked = 0;

	(void)state;
	mld(&b, MLD_TO_EXCLUDE, "ff02::1:ff10:1", 0, T0);
	mld(&b, MLD_TO_EXCLUDE, "ff02::1:ff10:2", 0, T0);
	mono_t start = next_query(&b);
	assert_true(next_query(&b) - start < 5 * MONO_S);	/* a question may be lost as well */
	for (mono_t end = T0 + 7200 * MONO_S; mcast_deadline(b.m) <= end;)
		asked += mcast_tick(b.m, mcast_deadline(b.m));
	assert_in_range(asked, 18, 22);		/* soon again, and a paused guest not all the time */
	assert_int_equal(why(&b, "33:33:ff:10:00:01"), MCAST_BY_MLD);
	for (unsigned int i = 0; i < 3; i++) {	/* every other answer is lost in part */
		answer(&b, 1, next_query(&b) + 100 * MONO_MS);
		answer(&b, 2, next_query(&b) + 100 * MONO_MS);
		assert_int_equal(why(&b, "33:33:ff:10:00:02"), MCAST_BY_MLD);
	}
	mono_t first = next_query(&b);
	answer(&b, 1, first + 100 * MONO_MS);
	mono_t second = next_query(&b);
	assert_true(second - first < 5 * MONO_S);	/* what wasn't named is asked for at once */
	answer(&b, 1, second + 100 * MONO_MS);
	(void)next_query(&b);
	assert_int_equal(why(&b, "33:33:ff:10:00:02"), 0);
	mcast_free(b.m);
}

/* Frames that were lost: what they said is asked for, and an answer that may lack something drops nothing. */
static void test_missed(void **state)
{
	struct bench b = bench(true);

	(void)state;
	mld(&b, MLD_TO_EXCLUDE, "ff02::1:ff10:1", 0, T0);
	mld(&b, MLD_TO_EXCLUDE, "ff02::1:ff10:2", 0, T0);
	mono_t now = next_query(&b) + 10 * MONO_S;
	answer(&b, 2, now - 9 * MONO_S);
	assert_false(mcast_tick(b.m, now));
	for (unsigned int i = 0; i < 3; i++) {
		mcast_missed(b.m, now);
		now = next_query(&b);
		mcast_missed(b.m, now);
		answer(&b, 1, now + 100 * MONO_MS);
		assert_int_equal(why(&b, "33:33:ff:10:00:02"), MCAST_BY_MLD);
	}
	assert_true(next_query(&b) - now < 5 * MONO_S);
	mcast_free(b.m);
}

/* MLDv1: others' reports spare the guest its own, so what it doesn't say proves nothing. */
static void test_v1(void **state)
{
	struct bench b = bench(true);

	(void)state;
	mld(&b, MLD_TO_EXCLUDE, "ff02::1:ff10:1", 0, T0);
	for (unsigned int i = 0; i < 20; i++)
		if (mcast_tick(b.m, mcast_deadline(b.m))) {
			struct mld_report r = { .v1 = true, .n_records = 1,
						.records = { { .type = MLD_IS_EXCLUDE, .group = v6("ff02::1:ff10:2") } } };

			mcast_mld(b.m, &r, mcast_deadline(b.m) - MONO_S);
		}
	assert_int_equal(why(&b, "33:33:ff:10:00:01"), MCAST_BY_MLD);
	mcast_free(b.m);
}

/* A guest that reports nothing: only so much is remembered of its addresses, the last it used. */
static void test_used(void **state)
{
	struct bench b = bench(false);
	mono_t now = T0;
	char address[64];

	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		struct ndp_ns ns = { .target = v6("2001:db8::1") };

		(void)snprintf(address, sizeof(address), "2001:db8::30:%x", i);
		ns.src = v6(address);
		mcast_ns(b.m, &ns, now += MONO_S);
		ns.src = v6("2001:db8::40:1");	/* the one it goes on using */
		mcast_ns(b.m, &ns, now += MONO_S);
	}
	assert_int_equal(why(&b, "33:33:ff:40:00:01"), MCAST_BY_DAD);
	assert_int_equal(b.n, MCAST_USED + 1);
	mcast_free(b.m);
}

static void test_too_many(void **state)
{
	struct bench b = bench(true);
	mono_t now = T0, at;

	(void)state;
	assert_true(mcast_tick(b.m, now));
	for (unsigned int i = 0; i < 10000; i++) {
		char group[64];

		(void)snprintf(group, sizeof(group), "ff05::50:%x", i);
		mld(&b, MLD_TO_EXCLUDE, group, 0, now + 3 * MONO_S);
		if (i % 64 == 0)
			take(&b);
	}
	take(&b);
	assert_int_equal(b.all, MCAST_ALL_MANY);
	assert_true(b.n <= MCAST_GROUPS);
	/* It goes on listening to all of them. */
	now += 10 * MONO_S;
	for (unsigned int k = 0; k < 4; k++) {
		at = mcast_deadline(b.m);
		if (mcast_tick(b.m, at))
			for (unsigned int i = 0; i < 10000; i++) {
				char group[64];

				(void)snprintf(group, sizeof(group), "ff05::50:%x", i);
				mld(&b, MLD_IS_EXCLUDE, group, 0, at + 100 * MONO_MS);
			}
	}
	take(&b);
	assert_int_equal(b.all, MCAST_ALL_MANY);
	/* It leaves all but what it has itself: soon asked, and then they are followed again. */
	now = mcast_deadline(b.m);
	for (unsigned int i = 0; i < 10000; i++) {
		char group[64];

		(void)snprintf(group, sizeof(group), "ff05::50:%x", i);
		mld(&b, MLD_TO_INCLUDE, group, 0, now);
	}
	for (unsigned int k = 0; k < 6; k++) {
		at = mcast_deadline(b.m);
		assert_true(at <= now + 20 * MONO_S);
		if (mcast_tick(b.m, at))
			answer(&b, 3, at + 100 * MONO_MS);
		take(&b);
		if (b.all == 0)
			break;
	}
	assert_int_equal(b.all, 0);
	assert_int_equal(b.n, 4);
	mcast_free(b.m);
}

static struct qmp_filter filter(const char *a, const char *b)
{
	struct qmp_filter f = { .multicast = QMP_MULTICAST_NORMAL };

	if (a)
		assert_true(mac_parse(a, &f.table[f.n++]));
	if (b)
		assert_true(mac_parse(b, &f.table[f.n++]));
	return f;
}

static void test_qmp(void **state)
{
	struct bench b = bench(false);
	struct qmp_filter f = filter("33:33:ff:00:00:01", "01:00:5e:00:00:fb"), none = filter(NULL, NULL);

	(void)state;
	mcast_rx_filter(b.m, &f, T0, T0);
	assert_int_equal(why(&b, "33:33:ff:00:00:01"), MCAST_BY_QMP);
	assert_int_equal(why(&b, "01:00:5e:00:00:fb"), MCAST_BY_QMP);
	/* A new address: its report is faster than the filter, and the filter of before doesn't undo it. */
	dad(&b, "2001:db8::2", T0 + 10 * MONO_S);
	mcast_rx_filter(b.m, &f, T0 + 10 * MONO_S + 10 * MONO_MS, T0 + 11 * MONO_S);
	assert_int_equal(why(&b, "33:33:ff:00:00:02"), MCAST_BY_DAD);
	f = filter("33:33:ff:00:00:01", "33:33:ff:00:00:02");
	mcast_rx_filter(b.m, &f, T0 + 11 * MONO_S, T0 + 11 * MONO_S);
	assert_int_equal(why(&b, "33:33:ff:00:00:02"), MCAST_BY_DAD | MCAST_BY_QMP);
	assert_int_equal(why(&b, "01:00:5e:00:00:fb"), 0);
	/* The filter is all there is: what was only seen long before is dropped. */
	mcast_rx_filter(b.m, &none, T0 + 20 * MONO_S, T0 + 20 * MONO_S);
	assert_int_equal(why(&b, "33:33:ff:00:00:02"), 0);
	/* But not by one that lets everything in anyway, as before the driver set it up. */
	dad(&b, "2001:db8::3", T0 + 30 * MONO_S);
	none.promiscuous = true;
	mcast_rx_filter(b.m, &none, T0 + 40 * MONO_S, T0 + 40 * MONO_S);
	assert_int_equal(why(&b, "33:33:ff:00:00:03"), MCAST_BY_DAD);
	none = filter(NULL, NULL);
	none.overflow = true;
	mcast_rx_filter(b.m, &none, T0 + 50 * MONO_S, T0 + 50 * MONO_S);
	assert_int_equal(why(&b, "33:33:ff:00:00:03"), MCAST_BY_DAD);
	assert_int_equal(b.all, MCAST_ALL_QEMU);
	none.overflow = false;
	none.multicast = QMP_MULTICAST_ALL;
	mcast_rx_filter(b.m, &none, T0 + 60 * MONO_S, T0 + 60 * MONO_S);
	take(&b);
	assert_int_equal(b.all, MCAST_ALL_GUEST);
	mcast_rx_filter(b.m, &f, T0 + 70 * MONO_S, T0 + 70 * MONO_S);
	take(&b);
	assert_int_equal(b.all, 0);
	/* The monitor goes: what it said last stands until something better is known. */
	mcast_qmp_gone(b.m);
	assert_int_equal(why(&b, "33:33:ff:00:00:01"), MCAST_BY_MLD);
	mcast_free(b.m);
}

/* A new engine is told what was joined; what the guest no longer names goes, the rest stays all the time. */
static void test_had(void **state)
{
	struct bench b = bench(true);
	struct mac kept, gone;

	(void)state;
	assert_true(mac_parse("33:33:ff:10:00:01", &kept));
	assert_true(mac_parse("33:33:ff:99:99:99", &gone));
	b.joined[b.n] = kept;
	b.reasons[b.n++] = MCAST_BY_QMP;
	b.joined[b.n] = gone;
	b.reasons[b.n++] = MCAST_BY_MLD | MCAST_BY_DAD;
	mcast_had(b.m, &kept, MCAST_BY_QMP);
	mcast_had(b.m, &gone, MCAST_BY_MLD | MCAST_BY_DAD);
	assert_int_not_equal(why(&b, "33:33:ff:10:00:01"), 0);
	for (unsigned int i = 0; i < 6; i++) {
		mono_t at = mcast_deadline(b.m);

		if (mcast_tick(b.m, at))
			answer(&b, 1, at + 100 * MONO_MS);
		assert_int_not_equal(why(&b, "33:33:ff:10:00:01"), 0);
	}
	assert_int_equal(why(&b, "33:33:ff:99:99:99"), 0);
	assert_int_equal(b.n, 2);
	mcast_free(b.m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reports),	  cmocka_unit_test(test_block_asks), cmocka_unit_test(test_shared_group),
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_igmp),	     cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_silence),	  cmocka_unit_test(test_v1),	     cmocka_unit_test(test_used),
		cmocka_unit_test(test_too_many),  cmocka_unit_test(test_qmp),	     cmocka_unit_test(test_had),
		cmocka_unit_test(test_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
