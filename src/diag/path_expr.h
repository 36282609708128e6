/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path_expr - one expression of a rule, evaluated over registers
 *
 * Inside diag/path_eval, path_expr and path_xt only.
 */
#pragma once
#include "diag/path_eval.h"

enum path_outcome {
	PATH_OUT_NEXT,		/* on to the next expression */
	PATH_OUT_BREAK,		/* the rule doesn't match */
	PATH_OUT_VERDICT,	/* in e->verdict, with e->target */
	PATH_OUT_QUESTION,	/* whether it matches can't be told */
};

/* path_eval.c: the packet's headers as bytes, after each change of e->p. */
void path_build(struct path_eval *e);

/* path_expr.c */
enum path_outcome path_expr(struct path_eval *e, const struct snap_expr *x);
enum path_outcome path_accepted(struct path_eval *e);
enum path_outcome path_masquerade(struct path_eval *e);
/* To this host itself. @port 0: it keeps the one that it has. */
enum path_outcome path_redirect(struct path_eval *e, uint16_t port);
/* What becomes of a packet that gets here nobody can tell: no answer to a question would. */
enum path_outcome path_fate_unknown(struct path_eval *e);
/* Once in a base chain, as conntrack does. NULL: what it has stays. */
void path_translate_to(struct path_eval *e, const struct ip *ip, const uint16_t *port);
void path_translate_from(struct path_eval *e, const struct ip *ip);

/* path_xt.c: iptables' matches and targets, in the rules that iptables-nft writes */
enum path_outcome path_xt_match(struct path_eval *e, const struct snap_expr *x);
enum path_outcome path_xt_target(struct path_eval *e, const struct snap_expr *x);
