/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session - does a change touch the interface of one's own ssh session?
 *
 * Theory of operation: sshd leaves SSH_CONNECTION in the environment; sudo and
 * the like may have taken it away, so our ancestors' environments are searched
 * too. The interface is the one that has the session's local address or, when
 * none has it (the address is translated on the way), the one that the route to
 * the other end takes. In another network namespace than the session's neither
 * is found, and nothing is said.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include "model/desired.h"
#include "net/addr.h"

struct session {
	struct ip peer, local;
	unsigned int port;	/* local */
	char device[16];
};

bool session_find(struct session *ret);

/**
 * session_touched() - Which change of a plan touches the session's interface?
 * @session:	the session
 * @changes:	as the daemon tells them
 * @desired:	the configuration that they come from: rules count when a network's guests leave by that interface
 * @names:	the networks of it that are meant; none: all
 * @n_names:	how many
 *
 * Return: the change's "object", borrowed from @changes; NULL when none does
 */
const char *session_touched(const struct session *session, const json_t *changes, const struct desired *desired,
			    char **names, int n_names);
