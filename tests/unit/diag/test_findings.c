/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_findings - the order of findings, their JSON, and which fix is taken
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "diag/explain.h"
#include "diag/findings.h"
#include "diag/rule.h"

static const struct rule cause = { .id = "a.cause", .severity = SEVERITY_WARNING };
static const struct rule effect = {
	.id = "a.effect",
	.severity = SEVERITY_ERROR,
	.causes = { { "a.cause", RULE_SCOPE_SHARED } },
};
static const struct rule anywhere = {
	.id = "a.anywhere",
	.severity = SEVERITY_INFO,
	.causes = { { "a.cause", RULE_SCOPE_HOST } },
};
static const struct rule circle_a = { .id = "c.a", .severity = SEVERITY_ERROR, .causes = { { "c.b", RULE_SCOPE_HOST } } };
static const struct rule circle_b = { .id = "c.b", .severity = SEVERITY_ERROR, .causes = { { "c.a", RULE_SCOPE_HOST } } };

static struct diag_finding *add(struct findings *found, const struct rule *rule, const char *subject)
{
	found->rule = rule;
	return findings_add(found, subject);
}

static void test_order(void **state)
{
	static const struct {
		const char *why;
		const struct rule *rules[4];
		const char *subjects[4], *about[4];
		const char *order;
	} cases[] = {
		{ "errors before warnings", { &cause, &effect }, { "x", "y" }, { 0 }, "a.effect/y/0 a.cause/x/0" },
		{ "a consequence is below its cause, and lifts it", { &effect, &cause, &effect }, { "y", "x", "x" }, { 0 },
		  "a.effect/y/0 a.cause/x/0 a.effect/x/1" },
		{ "a shared name of another kind is enough", { &effect, &cause }, { "tap0", "br0" }, { "br0" },
		  "a.cause/br0/0 a.effect/tap0/1" },
		{ "a cause of the whole host needs no shared name", { &anywhere, &cause }, { "tap0", "br0" }, { 0 },
		  "a.cause/br0/0 a.anywhere/tap0/1" },
		{ "like ones keep the order of the rules", { &effect, &effect }, { "b", "a" }, { 0 }, "a.effect/b/0 a.effect/a/0" },
		{ "a circle in the table loses nothing", { &circle_a, &circle_b }, { "b", "a" }, { 0 }, "c.b/a/0 c.a/b/1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct findings *found = findings_new();
		char got[256] = "";

		for (size_t k = 0; k < 4 && cases[i].rules[k]; k++)
			finding_about(add(found, cases[i].rules[k], cases[i].subjects[k]), cases[i].about[k]);
		findings_order(found);
		for (size_t k = 0; k < found->n; k++) {
			size_t at = strlen(got);

			(void)snprintf(got + at, sizeof(got) - at, "%s%s/%s/%u", k ? " " : "", found->list[k]->rule->id,
				       found->list[k]->subject, found->list[k]->depth);
		}
		if (strcmp(got, cases[i].order) != 0)
			fail_msg("%s: %s", cases[i].why, got);
		findings_free(found);
	}
}

static void test_fix(void **state)
{
	struct findings *found = findings_new();
	struct diag_finding *f = add(found, &effect, "eth0.5"), *info = add(found, &anywhere, "eth0");
	struct diag_fix *fix;

	(void)state;
	fix = finding_fix(f, "by-hand", FIX_LASTS_LIVE);
	fix_command(f, fix, "pull the cable");
	assert_null(finding_fix_for(f, NULL));
	fix = finding_fix(f, "lesser", FIX_LASTS_LIVE);
	fix_run(f, fix, (const char *const[]){ "adopt", "libvirt:ha", NULL });
	fix->by_name = true;
	assert_null(finding_fix_for(f, NULL));
	assert_string_equal(finding_fix_for(f, "lesser")->commands[0], "sixtap adopt libvirt:ha");
	fix = finding_fix(f, "set", FIX_LASTS_LIVE);
	fix_sysctl(f, fix, "net/ipv6/conf/eth0.5/accept_ra", "1", "2");
	assert_ptr_equal(finding_fix_for(f, NULL), fix);
	assert_null(finding_fix_for(f, "by-hand"));
	/* sysctl(8) wants a slash for the dot of a name. */
	assert_string_equal(fix->commands[0], "sysctl -w net.ipv6.conf.eth0/5.accept_ra=2");
	assert_int_equal(fix->ops->n, 1);
	assert_true(fix->ops->ops[0].sysctl.unrecorded);
	assert_string_equal(fix->persist[0].path, "net/ipv6/conf/eth0.5/accept_ra");
	fix = finding_fix(info, "set", FIX_LASTS_LIVE);
	fix_sysctl(info, fix, "net/ipv6/conf/eth0/accept_ra", "1", "2");
	assert_null(finding_fix_for(info, NULL));	/* never an info */
	assert_null(finding_fix_for(info, "set"));
	findings_free(found);
}

static void test_json(void **state)
{
	struct findings *found = findings_new();
	struct diag_finding *f = add(found, &effect, "eth0");
	json_t *o;

	(void)state;
	found->n_rules = 3;
	finding_what(f, "%s is broken", "eth0");
	finding_why(f, "so");
	finding_value(f, "accept_ra", "%d", 1);
	FINDING_HEAD(f, "group", "needed");
	FINDING_ROW(f, "33:33:00:00:00:01", "yes");
	add(found, &cause, "eth0");
	found->rule = &anywhere;
	findings_unchecked(found, true, "QMP of %s", "a");
	findings_unchecked(found, false, "not root");
	findings_unchecked(found, false, "not root");
	found->rule = &circle_a;
	findings_unchecked(found, true, "QMP of %s", "b");
	findings_order(found);
	o = findings_json(found);
	assert_int_equal(json_integer_value(json_object_get(o, "checked")), 2);
	assert_int_equal(json_array_size(json_object_get(o, "unchecked")), 2);
	assert_int_equal(json_array_size(json_object_get(json_array_get(json_object_get(o, "unchecked"), 0), "because")), 2);
	const json_t *second = json_array_get(json_object_get(o, "findings"), 1);
	assert_string_equal(json_string_value(json_object_get(second, "what")), "eth0 is broken");
	assert_string_equal(json_string_value(json_object_get(second, "caused_by")), "a.cause");
	assert_string_equal(json_string_value(json_object_get(json_object_get(second, "evidence"), "accept_ra")), "1");
	assert_true(json_is_false(json_object_get(second, "fixable")));
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(json_object_get(second, "evidence"), "table"), 0), "group")),
			    "33:33:00:00:00:01");
	assert_null(json_object_get(second, "guest"));	/* absent rather than null */
	json_decref(o);
	findings_free(found);
}

static void test_explain(void **state)
{
	size_t len = 0;
	char *text = NULL;
	const char *page = explain_page("ra.ignored-forwarding", &len);
	FILE *to = open_memstream(&text, &len);

	(void)state;
	assert_non_null(page);
	assert_null(explain_page("ra.ignored", &len));
	assert_null(explain_page("", &len));
	static const char markup[] = "a *b* _c_ accept_ra=1 \\*x\\*++\n```\nsysctl *_x_\n```\nend";
	explain_print(markup, sizeof(markup) - 1, to, "<", ">");
	(void)fclose(to);
	assert_string_equal(text, "a <b> c accept_ra=1 *x*\n    sysctl *_x_\nend\n");
	free(text);
}

/* Every id has its page, every page its rule. */
static void test_pages(void **state)
{
	char id[64];
	size_t len;

	(void)state;
	for (size_t i = 0; i < rules_n(); i++) {
		if (!explain_page(rules_get(i)->id, &len) || len < 100)
			fail_msg("%s has no page in sixtap-doctor.7.scd", rules_get(i)->id);
		for (size_t c = 0; c < RULE_CAUSES && rules_get(i)->causes[c].id; c++)
			assert_int_not_equal(rules_get(i)->causes[c].scope, 0);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(rules_get(i)->id, rules_get(k)->id);
	}
	for (size_t i = 0; explain_id(i, id, sizeof(id)); i++)
		if (!rules_find(id))
			fail_msg("the page %s has no rule", id);
	assert_null(rules_get(rules_n()));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_fix),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_explain),
		cmocka_unit_test(test_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
