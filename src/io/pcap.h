/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcap - write frames to a file that tcpdump and Wireshark read
 *
 * The classic format with nanoseconds, Ethernet. For finding faults: each frame
 * is one write(), and the file ends growing at PCAP_FILE_MAX.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/mem.h"
#include "base/time.h"

#define PCAP_FILE_MAX (64u << 20)

struct pcap;

/* @path is made anew. Return: 0 or negative errno. */
int pcap_open(struct pcap **ret, const char *path);
struct pcap *pcap_free(struct pcap *pcap);
DEFINE_FREEP(struct pcap, pcap_free)

/* Return: 0, -EFBIG once the file is full, or another negative errno. */
int pcap_write(struct pcap *pcap, const void *frame, size_t len, mono_t now);
