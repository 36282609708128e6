/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forward - [HOSTADDR:]HOSTPORT[-END]:GUESTPORT[-END][/tcp|/udp]
 *
 * One parser for the file, `run --forward` and `forward add`.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"
#include "model/desired.h"

#define FORWARD_FAULT_MAX 160

/* What is wrong with a spec, and the part of it to underline. */
struct forward_fault {
	char what[FORWARD_FAULT_MAX];
	char help[FORWARD_FAULT_MAX];	/* what would be right */
	size_t skip, width;		/* bytes of the spec; a forward is ASCII where it is right */
};

/**
 * forward_parse() - Text to a checked forward
 * @spec:	the text
 * @arena:	where ret->spec goes
 * @ret:	set on success; where, from, runtime and force are left zero
 * @fault:	set on failure
 *
 * A guest port without an end begins a range as long as the host's: 5000-5009:80
 * is 5000-5009:80-89. A number is answered with what YAML 1.1 made it from.
 *
 * Return: true when it is one
 */
bool forward_parse(const char *spec, struct arena *arena, struct d_forward *ret, struct forward_fault *fault);

/* The normal form: "[2001:db8::5]:8443:443/tcp", "8080:80/tcp", "5000-5009:80-89/udp". In @arena. */
char *forward_format(struct arena *arena, const struct d_forward *forward);

/* Would a packet match both? (Protocol, ports, and address: none means every address.) */
bool forward_conflicts(const struct d_forward *a, const struct d_forward *b);
