/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec - ops in order, or none of them, on any kernel
 *
 * What kern_apply() and the fake kernel share: order, progress, fault points,
 * taking back, and the findings. How an op is carried out is the backend's.
 */
#pragma once
#include "kern/apply.h"
#include "kern/nl.h"

/* An op on its way. */
struct exec_step {
	struct op op;		/* a copy: the backend fills in what it found, so that op_undo() leads back there */
	bool done;		/* carried out: has to be taken back when a later one fails */
	int err;		/* 0 or negative errno */
	char why[NL_WHY_MAX];	/* when err < 0: one clause */
	char *keep[3];		/* backend's own, freed by exec */
	bool flag;		/* backend's own */
};

struct exec_backend {
	/* May these two travel together? */
	bool (*joins)(const struct op *op, const struct op *next);
	/* Carry out @n steps that join; sets done, err and why of each. Later ones may be done although an earlier failed. */
	void (*run)(void *user, struct exec_step *steps, size_t n, struct report *report);
	/* Take @step back, by @undo. Return: 0 or negative errno with @why. */
	int (*undo)(void *user, struct exec_step *step, const struct op *undo, char why[static NL_WHY_MAX]);
	void *user;
};

/* As kern_apply(). */
int exec_ops(const struct exec_backend *backend, const struct ops *ops, const struct apply_hooks *hooks,
	     struct report *report);
