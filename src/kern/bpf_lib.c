/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf_lib - libbpf, loaded by who guards ports
 */
#include "kern/bpf_lib.h"

DEFINE_DL(bpf_load, bpf_lib, "libbpf.so.1", BPF_CALLS)
