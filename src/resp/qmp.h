/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp - one conversation with a guest's QEMU about its NIC's filter
 *
 * Theory of operation. QEMU greets, we ask for capabilities, then for the
 * filter; NIC_RX_FILTER_CHANGED comes once after each answer and makes us ask
 * again. Whoever runs QEMU is not trusted: one question is under way at a time,
 * ten a second at most, and a conversation that isn't understood ends. When an
 * answer doesn't come it is waited for: a guest may be stopped for hours.
 */
#pragma once
#include "base/mem.h"
#include "base/time.h"
#include "net/qmp.h"

struct qmp;

/* @nic: id of the NIC, "": the one whose MAC is @mac, or the only one. Return: 0. */
int qmp_new(struct qmp **ret, const char *nic, const struct mac *mac);
struct qmp *qmp_free(struct qmp *qmp);
DEFINE_FREEP(struct qmp, qmp_free)

/**
 * qmp_input() - Bytes from the monitor
 * @filter:	the NIC's filter as it is now, when 1 is returned; borrowed until the next call
 * @asked:	when it was asked for
 *
 * May be called with nothing (@n 0) to take what else came before.
 *
 * Return: 1 with a filter (call again, with nothing), 0, or -EPROTO: hang up
 */
int qmp_input(struct qmp *qmp, const char *bytes, size_t n, mono_t now, const struct qmp_filter **filter, mono_t *asked);

/* What is to be sent now, or NULL. It counts as sent. */
const char *qmp_output(struct qmp *qmp, mono_t now);
/* When there will be something to be sent. */
mono_t qmp_deadline(const struct qmp *qmp);
