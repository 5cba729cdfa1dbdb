/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The H.264 bit stream of the virtual encoder. Pure C: it knows no kernel, allocates
 * nothing and keeps no time, so that a unit test runs the same code in user space.
 *
 * An IDR picture is an I slice. Macroblocks of one colour, and those that go on from the
 * one above or to the left, are Intra_16x16; the others are I_PCM. A P picture codes the
 * macroblocks that changed in the same way and skips the rest, which repeats them from the
 * previous picture. What a decoder shows is bit for bit what went in.
 */
#ifndef VH264_ENCODE_H
#define VH264_ENCODE_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef int32_t s32;
typedef uint32_t u32;
typedef uint64_t u64;
#endif

/* The samples of one macroblock: 16x16 luma, 8x8 of each chroma. */
#define VH264_MB_BYTES 384

/* A picture in memory, 4:2:0. With `interleaved`, `chroma[0]` holds pairs (NV12). */
struct vh264_picture {
	const u8 *luma;
	const u8 *chroma[2];
	u32 stride;
	u32 chroma_stride;
	bool interleaved;
};

/* What the sequence header says. */
struct vh264_sequence {
	u32 profile_idc;	/* 66, 77 or 100 */
	bool constrained;	/* constraint_set1_flag with profile 66 */
	u32 level_idc;		/* at least this; more if size and rate need it */
	u32 rate_num, rate_den;	/* frames per second, as a fraction; 0 = unsaid */
	bool colour;		/* whether the four below are said */
	u8 primaries, transfer, matrix;
	bool full_range;
};

/* What became of a macroblock in the latest picture. */
enum vh264_coded { MB_SKIPPED, MB_CHANGED, MB_PREDICTED, MB_PCM };

struct vh264_encoder {
	u32 width, height;	/* visible, both even */
	u32 mb_width, mb_height;
	u8 *scratch;		/* a few macroblocks */
	u8 *reference;		/* what the decoder has, macroblock by macroblock */
	u8 *coded;		/* one byte a macroblock: enum vh264_coded */
	u32 cursor;		/* where a picture with a budget goes on */
	u32 frame_num;
	u32 idr_pic_id;
	bool has_reference;
	bool raw;		/* I_PCM only; may change from picture to picture */
};

/* Bytes of memory an encoder of this size needs. */
size_t vh264_memory(u32 width, u32 height);

/* Bytes no picture of this size exceeds, headers included. */
size_t vh264_worst_case(u32 width, u32 height);

/* Starts a stream. `memory` has vh264_memory() bytes and stays the caller's. */
void vh264_start(struct vh264_encoder *e, void *memory, u32 width, u32 height);

/* Writes SPS and PPS; returns the bytes written, 0 if they do not fit. */
size_t vh264_headers(const struct vh264_encoder *e, const struct vh264_sequence *s,
		     u8 *out, size_t room);

/*
 * Writes one picture; returns the bytes written, 0 if it does not fit (then the next
 * picture must be an IDR picture). Without a reference every picture is one. A P picture
 * codes at most about `budget` bytes of changes and leaves the rest to later pictures;
 * 0 means all.
 */
size_t vh264_encode(struct vh264_encoder *e, const struct vh264_picture *p, bool idr,
		    u32 budget, u8 *out, size_t room);

/* The lowest level that allows this size at this rate. */
u32 vh264_level(u32 width, u32 height, u32 rate_num, u32 rate_den);

/*
 * YUYV to NV12, tightly packed: luma as it is, chroma of a line pair averaged, halves
 * rounded up.
 */
void vh264_from_yuyv(const u8 *yuyv, u32 stride, u32 width, u32 height, u8 *nv12);

#endif
