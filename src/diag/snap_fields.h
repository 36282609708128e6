/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_fields - what the structs of a snapshot are made of
 *
 * Inside diag/ only. One table a struct, so that saving, loading, checking and
 * tidying are each one walk that knows no struct by name.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum snap_type {
	SNAP_BOOL,
	SNAP_U8,
	SNAP_U16,
	SNAP_U32,
	SNAP_U64,
	SNAP_I8,
	SNAP_I32,
	SNAP_I64,
	SNAP_STR,
	SNAP_MAC,
	SNAP_IP,
	SNAP_PREFIX,
	SNAP_BYTES,
	SNAP_OCTETS,	/* uint8_t[16] */
	SNAP_STRUCT,
	SNAP_ARRAY,	/* a pointer, and a size_t with how many */
	SNAP_TYPE_N_,
};

struct snap_struct;

struct snap_field {
	const char *name;
	enum snap_type type;
	enum snap_type elem;		/* of an array */
	uint16_t offset;
	uint16_t count;			/* offset of an array's count */
	const struct snap_struct *of;	/* of a struct, and of an array of structs */
};

struct snap_struct {
	size_t size;
	const struct snap_field *fields;
	size_t n_fields;
};

extern const struct snap_struct snap_struct_snapshot, snap_struct_conf4, snap_struct_conf6;

/* Bytes of one element of an array. */
size_t snap_field_elem_size(const struct snap_field *f);
