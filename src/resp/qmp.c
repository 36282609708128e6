/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp - one conversation with a guest's QEMU about its NIC's filter
 */
#include "resp/qmp.h"

#include <errno.h>

#define QUERY_EVERY (100 * MONO_MS)
#define LINES_A_CALL 64

enum qmp_state {
	QMP_STATE_GREETING,	/* wait for it */
	QMP_STATE_CAPABILITIES,	/* to be sent */
	QMP_STATE_ENTERING,	/* sent */
	QMP_STATE_READY,
	QMP_STATE_N_,
};

struct qmp {
	enum qmp_state state;
	char nic[QMP_NIC_MAX + 1];
	struct mac mac;
	bool wants, asked;	/* to ask; an answer is awaited */
	mono_t asked_at, next;
	struct qmp_msg msg;
	size_t len;
	char line[QMP_LINE_MAX];
};

int qmp_new(struct qmp **ret, const char *nic, const struct mac *mac)
{
	struct qmp *qmp = NEW(struct qmp);

	(void)str_copy(qmp->nic, sizeof(qmp->nic), nic);
	qmp->mac = *mac;
	*ret = qmp;
	return 0;
}

struct qmp *qmp_free(struct qmp *qmp)
{
	free(qmp);
	return NULL;
}

/* The NIC behind our macvtap; its id is remembered, as a guest may change the MAC. */
static const struct qmp_filter *choose(struct qmp *qmp)
{
	for (size_t i = 0; i < qmp->msg.n_filters; i++) {
		struct qmp_filter *f = &qmp->msg.filters[i];

		if (qmp->nic[0] ? str_eq(f->nic, qmp->nic) : mac_eq(&f->main_mac, &qmp->mac)) {
			(void)str_copy(qmp->nic, sizeof(qmp->nic), f->nic);
			return f;
		}
	}
	return !qmp->nic[0] && qmp->msg.n_filters == 1 ? &qmp->msg.filters[0] : NULL;
}

/* Return: 1 with a filter, 0, or -EPROTO */
static int on_line(struct qmp *qmp, const char *line, size_t len, const struct qmp_filter **filter, mono_t *asked)
{
	if (qmp_parse(line, len, &qmp->msg) != 0)
		return -EPROTO;
	switch (qmp->msg.kind) {
	case QMP_GREETING:
		if (qmp->state != QMP_STATE_GREETING)
			return -EPROTO;
		qmp->state = QMP_STATE_CAPABILITIES;
		return 0;
	case QMP_DONE:
		if (qmp->state != QMP_STATE_ENTERING)
			return -EPROTO;
		qmp->state = QMP_STATE_READY;
		qmp->wants = true;
		return 0;
	case QMP_RX_FILTER:
		if (!qmp->asked)
			return -EPROTO;
		qmp->asked = false;
		*asked = qmp->asked_at;
		*filter = choose(qmp);
		return *filter ? 1 : 0;
	case QMP_RX_CHANGED:
		if (!qmp->nic[0] || !qmp->msg.nic[0] || str_eq(qmp->nic, qmp->msg.nic))
			qmp->wants = true;
		return 0;
	case QMP_ERROR:
		qmp->asked = false;	/* of a NIC that is being unplugged, say */
		return qmp->state == QMP_STATE_READY ? 0 : -EPROTO;
	case QMP_OTHER:
		return 0;
	}
	return -EPROTO;
}

int qmp_input(struct qmp *qmp, const char *bytes, size_t n, mono_t now, const struct qmp_filter **filter, mono_t *asked)
{
	(void)now;
	if (n > sizeof(qmp->line) - qmp->len)
		return -EPROTO;		/* a line longer than we take */
	if (n > 0)
		memcpy(qmp->line + qmp->len, bytes, n);
	qmp->len += n;
	for (unsigned int i = 0; i < LINES_A_CALL; i++) {
		const char *end = memchr(qmp->line, '\n', qmp->len);

		if (!end)
			return qmp->len == sizeof(qmp->line) ? -EPROTO : 0;
		size_t len = (size_t)(end - qmp->line);
		int r = len > 0 && !(len == 1 && qmp->line[0] == '\r') ? on_line(qmp, qmp->line, len, filter, asked) : 0;

		qmp->len -= len + 1;
		memmove(qmp->line, end + 1, qmp->len);
		if (r != 0)
			return r;
	}
	return -EPROTO;	/* so much at once isn't for us */
}

const char *qmp_output(struct qmp *qmp, mono_t now)
{
	if (qmp->state == QMP_STATE_CAPABILITIES) {
		qmp->state = QMP_STATE_ENTERING;
		return QMP_SAY_CAPABILITIES;
	}
	if (qmp_deadline(qmp) > now)
		return NULL;
	qmp->wants = false;
	qmp->asked = true;
	qmp->asked_at = now;
	qmp->next = mono_add(now, QUERY_EVERY);
	return QMP_SAY_QUERY;
}

mono_t qmp_deadline(const struct qmp *qmp)
{
	if (qmp->state == QMP_STATE_CAPABILITIES)
		return 0;
	return qmp->state == QMP_STATE_READY && qmp->wants && !qmp->asked ? qmp->next : MONO_NEVER;
}
