/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state - what main knows, shared by the files of daemon/ that make it up
 */
#pragma once
#include <uthash.h>
#include "base/loop.h"
#include "ctl/inner.h"
#include "ctl/request.h"
#include "daemon/follow.h"
#include "daemon/main.h"
#include "io/control.h"
#include "kern/apply.h"
#include "kern/kern.h"
#include "kern/watch.h"
#include "model/guest.h"
#include "plan/plan.h"

/* One reading of configuration files. Networks that came from it keep it alive. */
struct config {
	struct desired *desired;
	unsigned int refs;
};

/* A network that is up, or being taken down. */
struct net {
	char name[NETWORK_NAME_MAX + 1];
	struct config *config;
	const struct d_network *d;
	bool leaving;
	uint64_t sent_hash, ready_hash;		/* of the settings sent to the engine, and of those it serves */
	uint32_t sent_ifindex;			/* while sent_hash isn't 0: of the bridge that the engine has sockets on */
	bool dns_listening;			/* the resolver answers for it */
	char *trouble;				/* what the engine said last; NULL: nothing */
	struct drain *drains;			/* prefixes of before (drain.h), the newest first */
	size_t n_drains, cap_drains;
	char *stuck;				/* why the last reconciliation nobody asked for left it as it was; NULL: it didn't */
	UT_hash_handle hh;
};

/* Who has an address: a lease, or seen in use. Key: network and ip, padding zero. */
struct holder_key {
	char network[NETWORK_NAME_MAX + 1];
	struct ip ip;
};

struct holder {
	struct holder_key key;
	bool is_lease;
	struct lease lease;			/* is_lease */
	struct neighbour neighbour;
	UT_hash_handle hh;
};

/* A name that the resolver was told. Key: network, name, ip. */
struct told_key {
	char network[NETWORK_NAME_MAX + 1];
	char name[GUEST_NAME_MAX + 1];
	struct ip ip;
};

struct told {
	struct told_key key;
	bool keep;				/* mark of a sweep */
	UT_hash_handle hh;
};

/* What one ordinary user takes of us. */
struct account {
	uid_t uid;
	size_t n_conns;
	mono_t busy_until;			/* what it asked for is paid by then */
	UT_hash_handle hh;
};

#define SEATS_MAX 16384

/* A MAC that was seen at a port of a bridge. */
struct seat_key {
	uint32_t bridge;
	struct mac mac;
	uint16_t zero;				/* keys are compared as bytes */
};

struct seat {
	struct seat_key key;
	uint32_t port;
	UT_hash_handle hh;
};

/* A connection to the control socket. */
struct conn {
	struct daemon_main *d;
	struct control *control;
	struct loop_fd src;
	struct account *account;		/* of its user; NULL: root */
	bool held;				/* its user asks too much: later */
	int out_fds[CTL_QUEUES_MAX + 2];	/* on their way: open until the answer is out */
	size_t n_out_fds;
	bool closing;				/* when the last answer is out */
	bool quit_after;			/* the daemon ends then */
	struct waiter {				/* an `up` that waits for its networks */
		json_t *answer;			/* NULL: not waiting */
		bool brief;			/* as in the request */
		mono_t deadline;
	} waiter;
	struct conn *prev, *next;
};

/* The other end is the engine or the resolver; -1 while it is down. */
struct peer {
	struct loop_fd src;
	pid_t pid;
	int unread;				/* bytes that it had not read at the last tick */
	unsigned int ticks, stuck;		/* since it started; in which not one of them was read */
};

struct daemon_main {
	struct main_conf conf;
	struct loop *loop;
	struct kern *kern;
	struct repair *repair;
	struct follow *follow;
	struct adoption *adoptions;
	struct confirm *confirm;
	struct loop_fd monitor_src, listen_src;
	struct loop_timer tick, soon;		/* the shared tick; a reconciliation that somebody waits for */
	mono_t plain_since, plain_last;		/* the first and last guest that waits for networks_reconcile_together(); 0: none */
	bool soon_due;				/* @soon means a reconciliation in any case, not only if repair.c finds cause */
	struct peer engine, resolver;
	char records[4096];			/* RUN_DIR/state */
	struct net *nets;
	struct guest **guests;
	size_t n_guests, cap_guests;
	struct live_forward **forwards;		/* in the order of live_forward_cmp() */
	size_t n_forwards, cap_forwards;
	struct holder *holders;
	struct told *told;
	struct seat *seats;
	mono_t seats_at;			/* forwarding tables are looked at again */
	uint32_t *open_ports;			/* where more MACs may be seen than one that we know */
	size_t n_open_ports, cap_open_ports;
	struct conn *conns;
	struct account *accounts;
	struct macvtap *macvtaps;		/* guests on macvtap devices whose end is waited for */
	unsigned int next_macvtap;		/* number of the next device */
	struct loop_timer patience;		/* until connections that are held may go on */
	struct plan *plan;			/* of the last reconciliation: results for `status` */
	struct arena *plan_arena;		/* the networks with guests that @plan borrows from */
	struct inner_dns_upstream upstream;
	char *trouble;				/* of all networks: leases can't be written, say; NULL: none */
	uint8_t secret[16];
	mono_t started;
	bool monitor_gone;
	struct conn *progress_to;		/* who asked for the reconciliation under way */
};

/* networks.c */
struct net *networks_find(struct daemon_main *d, const char *name);

/**
 * networks_reconcile() - Observe, plan, apply, for all networks
 * @d:		main
 * @report:	gets what went wrong; nothing is changed then
 * @dry:	plan only
 * @ret_changes:	the contract's `changes` (new reference), or NULL
 *
 * Return: 0, or 1 when the report has new errors
 */
int networks_reconcile(struct daemon_main *d, struct report *report, bool dry, json_t **ret_changes);

/**
 * networks_keep() - Reconcile because something may have changed, not because somebody asked
 * @d:		main
 * @report:	gets what went wrong
 *
 * Differs from networks_reconcile() in this: a network that can't be planned
 * (its uplink is gone, say) is left as it is, and the others are seen to; what
 * others keep taking away is left for a while (repair.h); a router is waited for
 * in the background.
 *
 * Return: 0, or 1 when something is left to be done
 */
int networks_keep(struct daemon_main *d, struct report *report);
void networks_unstick(struct daemon_main *d);		/* what was set aside is tried again */
void networks_reconcile_soon(struct daemon_main *d, mono_t delay);
/* For what has been seen to already and only has to be looked at again: together with what else comes, at most 1 s later. */
void networks_reconcile_together(struct daemon_main *d);
bool networks_together_due(struct daemon_main *d, mono_t now);	/* asked by the timer; sets it again when not */
/* Do at once what was put off: who the guests are is known, and none of it is a change that a request made. */
void networks_settle(struct daemon_main *d);
bool networks_ready(const struct daemon_main *d);	/* everything that was sent is served */
const struct plan_result *networks_result(const struct daemon_main *d, const char *name);
const struct d_guest *networks_guest_by_mac(const struct daemon_main *d, const char *network, const struct mac *mac);

/* networks_up.c */
int networks_restore(struct daemon_main *d);		/* records → nets, guests */
/* What was before an `up --confirm`, as confirm.h keeps it; taken back by the usual way. Return: as networks_reconcile() */
int networks_go_back(struct daemon_main *d, const json_t *before, struct report *report);
int networks_up(struct daemon_main *d, const struct ctl_request *req, struct report *report, bool dry,
		json_t **ret_changes);
int networks_down(struct daemon_main *d, const struct ctl_request *req, struct report *report, json_t **ret_changes);

/* guests.c: attach and notice */
/*
 * @fds: gets CTL_QUEUES_MAX + 2 at most: those of the queues, then for a guest on a macvtap device one that it has to
 * hold as long as it lives, and the socket that it may listen on for QMP (guest.monitor).
 */
int guests_attach(struct daemon_main *d, const struct ctl_attach *a, const struct control *who, struct report *report,
		  struct guest **ret, int *fds, size_t *ret_n_fds);
void guests_link_gone(struct daemon_main *d, uint32_t ifindex, const char *name);
/* Delete ports of ours whose holder misuses its descriptor. Return: how many. */
size_t guests_punish(struct daemon_main *d, const struct world *world);
/* Has the macvtap device of a guest still the guest's MAC? */
bool guests_as_made(const struct daemon_main *d, const struct w_link *link);
bool guests_misused(const struct daemon_main *d, const struct w_link *link);
int guests_restore(struct daemon_main *d);
int guests_forward_parse(struct guest *g, const char *spec, struct report *report);

/* macvtap.c */

/* What the guest's program inherits beside the queues; -1: not there. */
struct macvtap_ends {
	int alive, qmp;
};

/* Before the plan makes the device: its name, and how its end is noticed. Return: 0, or 1 with an error in @report. */
int macvtap_prepare(struct daemon_main *d, struct guest *g, bool monitor, struct report *report, struct macvtap_ends *ret);
void macvtap_close(struct macvtap_ends *ends);
/* After: its queues, open and set up for QEMU. Return: 0, or 1 with an error in @report. */
int macvtap_open(struct daemon_main *d, struct guest *g, unsigned int queues, struct report *report, int *fds);
/* The guest of a record goes on being waited for. Return: whether it still runs. */
bool macvtap_restore(struct daemon_main *d, const struct guest *g);
bool macvtap_alive(const struct daemon_main *d, const struct guest *g);	/* has anybody its descriptor still? */
/* Its device went, and it didn't: what is said of it from now on, until it ends. Return: whether it still runs. */
bool macvtap_lost(struct daemon_main *d, const struct guest *g);
const char *macvtap_trouble(const struct daemon_main *d, const char *network, char buf[static 256]);	/* "": none */
/* The guest has ended: remove the device, and the guest. */
void macvtap_end(struct daemon_main *d, struct guest *g);
/* Drop all but the device itself. */
void macvtap_forget(struct daemon_main *d, const struct guest *g);
/**
 * macvtap_connect() - Connect to the QMP monitor of a guest that we started
 * @g:	the guest
 *
 * QEMU serves one client at a time: a second connection waits. Its greeting comes when it does.
 *
 * Return: a descriptor that doesn't block, the caller's; -ENOENT: it was started without; -ECONNREFUSED: it has
 * ended; -EAGAIN: too many wait; another negative errno
 */
int macvtap_connect(const struct daemon_main *d, const struct guest *g);
/* To the QEMU of an adopted interface: non-blocking, with what the monitor has from root. Return: descriptor, or negative errno. */
int macvtap_connect_adopted(const struct daemon_main *d, const char *subject);

/* seats.c */
void seats_find_ports(struct daemon_main *d, const struct world *world);	/* which to ask */
void seats_learn(struct daemon_main *d);		/* look at the bridges' forwarding tables */
void seats_link_gone(struct daemon_main *d, uint32_t ifindex);
bool seats_has(const struct daemon_main *d, uint32_t bridge, const struct mac *mac);

/* serve.c */
int serve_op(void *user, const struct op *op, struct report *report);	/* struct apply_hooks */
/* Return: 0, or a negative errno; -ENOTCONN: the engine is being started. */
int serve_tell_engine(struct daemon_main *d, enum inner_type type, const void *body, const int *fds, size_t n_fds);
int serve_peer_started(struct daemon_main *d, bool engine, int fd, pid_t pid);
void serve_watch(struct daemon_main *d);		/* at each tick: have the monitor end a process that hangs */
void serve_upstream(struct daemon_main *d);		/* read resolv.conf, tell the resolver what changed */
/* The guest that runs or is declared with this MAC; "" when there is none. */
const char *serve_guest_name(const struct daemon_main *d, const char *network, const struct mac *mac);
void serve_names(struct daemon_main *d);		/* tell the resolver all names */
void serve_forget(struct daemon_main *d, struct net *net);	/* leases and names of a network that is down */

/* answer.c */
int answer_listen(struct daemon_main *d, int listen_fd);
void answer_check_waiters(struct daemon_main *d, mono_t now);
void answer_progress(struct daemon_main *d, size_t done, size_t n, const struct op *op);
bool answer_is_idle(const struct daemon_main *d);	/* nothing is up, and nobody but `up` started us */
int answer_quit(struct daemon_main *d);
void answer_plan(struct daemon_main *d, const struct plan *plan);

/* status.c: what `status` and `leases` are told; references are the caller's */
json_t *status_daemon_json(const struct daemon_main *d);
json_t *status_networks_json(struct daemon_main *d, const struct ctl_request *req);	/* those asked for; all: none named */
/* @root: with client ids. Those are for root: with one, and the MAC, a guest could ask for another's lease. */
json_t *status_leases_json(const struct daemon_main *d, const struct ctl_request *req, bool root);

/* forwards.c: those that are added and deleted while a network is up */
int forwards_restore(struct daemon_main *d);
int forwards_parse(const char *spec, struct arena *arena, struct d_forward *ret, struct report *report);
/* The network with its running guests and live forwards, in @arena. */
struct d_network *forwards_overlay(const struct daemon_main *d, const struct d_network *network, struct arena *arena);
bool forwards_has_guest(const struct daemon_main *d, const char *network, const char *guest);
/* Drop those that the configuration declares by now, and those of networks that are down. */
void forwards_settle(struct daemon_main *d);
/* Does another forward have the port? @strict: also at one address of the host only. Return: 0, or 1 when reported. */
int forwards_check(const struct daemon_main *d, const struct d_forward *f, bool strict, struct report *report);
/* Return: the answer (new reference), or NULL with errors in @report. */
json_t *forwards_add(struct daemon_main *d, const struct ctl_request *req, struct report *report);
json_t *forwards_del(struct daemon_main *d, const struct ctl_request *req, struct report *report);
json_t *forwards_json(const struct daemon_main *d, const struct ctl_request *req);	/* of `forward list` */
void guests_record(struct daemon_main *d, const struct guest *g);	/* again, when it has changed */

/* users.c: what somebody who isn't root may. Return: 0, or 1 with an error in @report. */
int users_may_run(const struct daemon_main *d, const struct control *who, const struct net *net, const char *guest,
		  struct report *report);
int users_may_have(const struct daemon_main *d, const struct net *net, const struct guest *g, struct report *report);
void users_name(uid_t uid, char ret[static USER_NAME_MAX + 1]);
