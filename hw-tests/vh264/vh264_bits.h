/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What both sides of the bit stream code write with: words in memory, bytes with emulation
 * prevention, bits in front of them.
 */
#ifndef VH264_BITS_H
#define VH264_BITS_H

#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <string.h>
#endif

#include "vh264_encode.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the word tricks here and in vh264_encode.c count bytes from the low end"
#endif

static inline u64 load64(const u8 *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void store64(u8 *p, u64 v)
{
	memcpy(p, &v, sizeof(v));
}

/* ---- bytes out, with emulation prevention (7.4.1.1) ---- */

struct sink {
	u8 *at, *end;
	u32 zeros;	/* zero bytes at the end of what was written */
};

static inline bool fits(const struct sink *s, size_t room)
{
	return (size_t)(s->end - s->at) >= room;
}

static inline void emit_byte(struct sink *s, u8 byte)
{
	if (s->zeros == 2 && byte <= 3) {
		*s->at++ = 3;
		s->zeros = 0;
	}
	*s->at++ = byte;
	s->zeros = byte ? 0 : s->zeros + 1;
}

static inline bool has_zero_byte(u64 v)
{
	return ((v - 0x0101010101010101ull) & ~v & 0x8080808080808080ull) != 0;
}

/* Count must be a multiple of eight. Words without a zero byte, nearly all, go as they are. */
static inline void emit_words(struct sink *s, const u8 *from, u32 count)
{
	const u8 *end = from + count;

	for (; from < end; from += 8) {
		u64 v = load64(from);

		if (s->zeros < 2 && !has_zero_byte(v)) {
			store64(s->at, v);
			s->at += 8;
			s->zeros = 0;
		} else {
			for (u32 i = 0; i < 8; i++)
				emit_byte(s, from[i]);
		}
	}
}

/* ---- bits, in front of bytes ---- */

struct bits {
	struct sink *sink;
	u32 held;
	u32 count;	/* bits in `held`, below 8 between calls */
};

static inline void put(struct bits *b, u32 value, u32 count)
{
	while (count > 0) {
		u32 take = 8 - b->count < count ? 8 - b->count : count;

		count -= take;
		b->held = b->held << take | (value >> count & ((1u << take) - 1));
		b->count += take;
		if (b->count == 8) {
			emit_byte(b->sink, b->held);
			b->held = 0;
			b->count = 0;
		}
	}
}

static inline void align(struct bits *b)
{
	if (b->count)
		put(b, 0, 8 - b->count);
}

/* ue(v), 9.1. Values stay far below 2^32 - 1. */
static inline void put_ue(struct bits *b, u32 value)
{
	u32 length = 0;

	for (u32 v = value + 1; v > 1; v >>= 1)
		length++;
	put(b, 0, length);
	put(b, value + 1, length + 1);
}

/* se(v), 9.1.1 */
static inline void put_se(struct bits *b, s32 value)
{
	put_ue(b, value > 0 ? 2 * value - 1 : -2 * value);
}

/* rbsp_trailing_bits() */
static inline void finish(struct bits *b)
{
	put(b, 1, 1);
	align(b);
}

#endif
