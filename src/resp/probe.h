/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe - ask who uses an address before it is offered
 *
 * A guest shouldn't wait while we find out whether its address is free, so some
 * addresses are probed ahead: as many as the target says. It doubles when that
 * many are taken within 200 ms, up to 4096, and halves after a quiet minute. An
 * answer arrives as bindings_seen(); silence for BINDING_PROBE_MS makes an
 * address READY.
 *
 * IPv4: ARP probes (RFC 5227 2.1.1: no sender address, so no cache is touched).
 * IPv6: a neighbour solicitation from our link-local address, not from ::, since
 * that would make a guest which is about to take the address give it up.
 */
#pragma once
#include "model/service.h"
#include "resp/binding.h"
#include "resp/out.h"

#define PROBE_TARGET_MIN 64u
#define PROBE_TARGET_MAX 4096u

struct probe {
	uint32_t target;
	uint32_t n_taken;	/* since `window` */
	mono_t window;
	mono_t grown;
};

void probe_init(struct probe *probe);

/* A READY address was offered. */
void probe_taken(struct probe *probe, mono_t now);

/* Send probes until the target is reached; at most a batch a call, leaving room in @out for replies. */
void probe_fill(struct probe *probe, struct bindings *bs, const struct service *service, mono_t now, struct out *out);

/* 0 (at once) while more probes are due, MONO_NEVER otherwise. */
mono_t probe_deadline(const struct probe *probe, const struct bindings *bs);
