/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain - which rule decided, in a sentence that a person understands
 */
#include "addrsel/explain.h"

#include <stdio.h>
#include <stdlib.h>

static const char *family_name(const struct ip *ip)
{
	return ip->family == AF_INET6 ? "IPv6" : "IPv4";
}

static unsigned int shared_bits(const struct addrsel_dest *d)
{
	unsigned int n = ip_bits(&d->ip), i = 0;

	while (i < n && !((d->ip.b[i / 8] ^ d->source.b[i / 8]) & (0x80 >> i % 8)))
		i++;
	return i;
}

static void explain_label(FILE *f, const struct addrsel_dest *first, const struct addrsel_dest *other)
{
	(void)fprintf(f, "your %s has label %d and %s has label %d", IP_STR(&other->source), other->source_label,
		      IP_STR(&other->ip), other->label);
	if (first->ip.family != other->ip.family)
		(void)fprintf(f, "; both %s addresses have label %d.", family_name(&first->ip), first->label);
	else
		(void)fprintf(f, "; %s and its source %s both have label %d.", IP_STR(&first->ip), IP_STR(&first->source),
			      first->label);
	if (other->precedence > first->precedence)
		(void)fprintf(f, " Precedence (rule 6: %d against %d) would have chosen %s, but rule 5 comes before it.",
			      other->precedence, first->precedence,
			      first->ip.family != other->ip.family ? family_name(&other->ip) : IP_STR(&other->ip));
}

static void explain_rule(FILE *f, const struct addrsel_dest *first, const struct addrsel_dest *other,
			 enum addrsel_rule rule)
{
	char scope[16], source_scope[16];

	switch (rule) {
	case ADDRSEL_RULE_UNUSABLE:
		(void)fprintf(f, "%s cannot be reached: there is no %s route to it, or no address to send from.",
			      IP_STR(&other->ip), family_name(&other->ip));
		break;
	case ADDRSEL_RULE_SCOPE:
		(void)fprintf(f, "your %s has %s scope and %s has %s scope; those of %s and its source are equal.",
			      IP_STR(&other->source), addrsel_scope_name(other->source_scope, source_scope),
			      IP_STR(&other->ip), addrsel_scope_name(other->scope, scope), IP_STR(&first->ip));
		break;
	case ADDRSEL_RULE_DEPRECATED:
		(void)fprintf(f, "your %s is deprecated, its preferred lifetime is over; %s is not.",
			      IP_STR(&other->source), IP_STR(&first->source));
		break;
	case ADDRSEL_RULE_HOME:
		(void)fprintf(f, "your %s is a home address (Mobile IPv6), %s is not.", IP_STR(&first->source),
			      IP_STR(&other->source));
		break;
	case ADDRSEL_RULE_LABEL:
		explain_label(f, first, other);
		break;
	case ADDRSEL_RULE_PRECEDENCE:
		(void)fprintf(f, "%s has precedence %d, %s has %d.", IP_STR(&first->ip), first->precedence,
			      IP_STR(&other->ip), other->precedence);
		break;
	case ADDRSEL_RULE_NATIVE:
		(void)fprintf(f, "your %s is on a tunnel, or on an interface that glibc cannot tell; %s is not.",
			      IP_STR(&other->source), IP_STR(&first->source));
		break;
	case ADDRSEL_RULE_SMALLER_SCOPE:
		(void)fprintf(f, "%s has %s scope, which is smaller than that of %s.", IP_STR(&first->ip),
			      addrsel_scope_name(first->scope, scope), IP_STR(&other->ip));
		break;
	case ADDRSEL_RULE_PREFIX:
		if (first->ip.family == AF_INET)
			(void)fprintf(f, "%s is in the subnet of your %s and shares more bits with it than %s with yours.",
				      IP_STR(&first->ip), IP_STR(&first->source), IP_STR(&other->ip));
		else
			(void)fprintf(f, "%s shares %u bits with your %s, %s shares %u with %s.", IP_STR(&first->ip),
				      shared_bits(first), IP_STR(&first->source), IP_STR(&other->ip), shared_bits(other),
				      IP_STR(&other->source));
		break;
	case ADDRSEL_RULE_ORDER:
		(void)fprintf(f, "no rule prefers either, so they stay as the name service (or you) gave them.");
		break;
	case ADDRSEL_RULE_N_:
		break;
	}
}

char *addrsel_explain(const struct addrsel_dest *dests, const size_t *order, size_t n)
{
	const struct addrsel_dest *first = &dests[order[0]], *other = NULL;
	enum addrsel_rule rule;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort();
	for (size_t i = 1; i < n && !other; i++) {
		if (dests[order[i]].ip.family == first->ip.family)
			continue;
		other = &dests[order[i]];
		if (addrsel_compare(first, other, NULL) > 0)	/* circular; neighbours never are */
			first = &dests[order[i - 1]];
	}
	if (!other && n > 1)
		other = &dests[order[1]];
	if (!other) {
		if (ip_is_set(&first->source))
			(void)fprintf(f, "%s is the only destination; it is reached from %s.", IP_STR(&first->ip),
				      IP_STR(&first->source));
		else
			(void)fprintf(f, "%s is the only destination, and it cannot be reached: there is no %s route to it, "
				      "or no address to send from.", IP_STR(&first->ip), family_name(&first->ip));
	} else {
		(void)addrsel_compare(first, other, &rule);
		if (first->ip.family != other->ip.family)
			(void)fprintf(f, "%s comes first", family_name(&first->ip));
		else
			(void)fprintf(f, "%s comes before %s", IP_STR(&first->ip), IP_STR(&other->ip));
		(void)fprintf(f, ", decided by rule %d (%s): ", (int)rule, addrsel_rule_name(rule));
		explain_rule(f, first, other, rule);
	}
	(void)fclose(f);
	return text;
}
