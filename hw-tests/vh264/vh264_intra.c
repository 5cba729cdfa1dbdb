// SPDX-License-Identifier: GPL-2.0
/*
 * Intra_16x16 macroblocks without AC levels, exact to the bit.
 *
 * At QP 10, for luma and chroma alike, LevelScale(10 % 6, 0, 0) is 16 * 16. A luma block's DC
 * (8.5.10) then comes to 8 * f, where f is what the transform makes of the levels, and a chroma
 * block's (8.5.11) to 16 * f; each sample is (DC + 32) >> 6 more than its prediction (8.5.12).
 * So a luma level of 8 adds one to all 256 samples. Each 4x4 block of chroma wants f = 4 * r,
 * where r is what it lacks; the levels are the 2x2 transform of the four r, which is its own
 * inverse but for a factor of four: whole numbers, whatever the r are.
 */
#include "vh264_intra.h"

#define LUMA_SIDE 16
#define CHROMA_SIDE 8
#define CB_AT 256
#define CR_AT 320

/* Table 8-4 and Table 8-5: the numbers differ. */
enum { LUMA_VERTICAL, LUMA_HORIZONTAL, LUMA_DC };
enum { CHROMA_DC, CHROMA_HORIZONTAL, CHROMA_VERTICAL };

static bool row_is(const u8 *row, u8 value, u32 side)
{
	u64 want = value * 0x0101010101010101ull;

	for (u32 i = 0; i < side; i += 8)
		if (load64(row + i) != want)
			return false;
	return true;
}

static bool is_flat(const u8 *plane, u32 side)
{
	return row_is(plane, plane[0], side * side);
}

/* Whether every row is the last one of the macroblock above. */
static bool goes_on_from_above(const u8 *plane, const u8 *above, u32 side)
{
	const u8 *edge = above + side * (side - 1);

	for (u32 row = 0; row < side; row++)
		for (u32 i = 0; i < side; i += 8)
			if (load64(plane + side * row + i) != load64(edge + i))
				return false;
	return true;
}

/* Whether every row is the last sample of that row to the left. */
static bool goes_on_from_left(const u8 *plane, const u8 *left, u32 side)
{
	for (u32 row = 0; row < side; row++)
		if (!row_is(plane + side * row, left[side * row + side - 1], side))
			return false;
	return true;
}

/* The samples right above a block, or right beside it. */
static u32 sum_above(const u8 *above, u32 side, u32 x, u32 count)
{
	u32 sum = 0;

	for (u32 i = 0; i < count; i++)
		sum += above[side * (side - 1) + x + i];
	return sum;
}

static u32 sum_left(const u8 *left, u32 side, u32 y, u32 count)
{
	u32 sum = 0;

	for (u32 i = 0; i < count; i++)
		sum += left[side * (y + i) + side - 1];
	return sum;
}

/* 8.3.3.3 */
static s32 predict_luma(const u8 *left, const u8 *above)
{
	u32 side = LUMA_SIDE;

	if (left && above)
		return (sum_above(above, side, 0, side) + sum_left(left, side, 0, side) + 16) >> 5;
	if (left)
		return (sum_left(left, side, 0, side) + 8) >> 4;
	if (above)
		return (sum_above(above, side, 0, side) + 8) >> 4;
	return 128;
}

/* 8.3.4.1 to 8.3.4.3, of the 4x4 block at x, y */
static s32 predict_chroma(const u8 *left, const u8 *above, u32 x, u32 y)
{
	u32 side = CHROMA_SIDE;

	/* Off the diagonal a block looks one way only, if there is something to see. */
	if (x > y && above)
		left = NULL;
	if (y > x && left)
		above = NULL;
	if (left && above)
		return (sum_above(above, side, x, 4) + sum_left(left, side, y, 4) + 4) >> 3;
	if (left)
		return (sum_left(left, side, y, 4) + 2) >> 2;
	if (above)
		return (sum_above(above, side, x, 4) + 2) >> 2;
	return 128;
}

static const u8 *plane_of(const u8 *mb, u32 at)
{
	return mb ? mb + at : NULL;
}

/* What takes a flat plane of chroma from its prediction to its value. */
static bool chroma_levels(const u8 *plane, const u8 *left, const u8 *above,
			  s32 levels[VH264_DC_LEVELS])
{
	s32 r[4];

	for (u32 block = 0; block < 4; block++)
		r[block] = plane[0] - predict_chroma(left, above, block % 2 * 4, block / 2 * 4);
	levels[0] = r[0] + r[1] + r[2] + r[3];
	levels[1] = r[0] - r[1] + r[2] - r[3];
	levels[2] = r[0] + r[1] - r[2] - r[3];
	levels[3] = r[0] - r[1] - r[2] + r[3];
	return levels[0] || levels[1] || levels[2] || levels[3];
}

static bool luma_can(const u8 *mb, const u8 *left, const u8 *above, struct vh264_intra *intra)
{
	if (above && goes_on_from_above(mb, above, LUMA_SIDE)) {
		intra->luma_mode = LUMA_VERTICAL;
	} else if (left && goes_on_from_left(mb, left, LUMA_SIDE)) {
		intra->luma_mode = LUMA_HORIZONTAL;
	} else if (is_flat(mb, LUMA_SIDE)) {
		intra->luma_mode = LUMA_DC;
		intra->luma[0] = 8 * (mb[0] - predict_luma(left, above));
	} else {
		return false;
	}
	return true;
}

/* Both planes have one mode. */
static bool chroma_can(const u8 *mb, const u8 *left, const u8 *above, struct vh264_intra *intra)
{
	const u8 *cb = mb + CB_AT, *cr = mb + CR_AT;

	if (above && goes_on_from_above(cb, above + CB_AT, CHROMA_SIDE) &&
	    goes_on_from_above(cr, above + CR_AT, CHROMA_SIDE)) {
		intra->chroma_mode = CHROMA_VERTICAL;
	} else if (left && goes_on_from_left(cb, left + CB_AT, CHROMA_SIDE) &&
		   goes_on_from_left(cr, left + CR_AT, CHROMA_SIDE)) {
		intra->chroma_mode = CHROMA_HORIZONTAL;
	} else if (is_flat(cb, CHROMA_SIDE) && is_flat(cr, CHROMA_SIDE)) {
		intra->chroma_mode = CHROMA_DC;
		for (u32 i = 0; i < 2; i++) {
			u32 at = i ? CR_AT : CB_AT;

			intra->chroma_coded |= chroma_levels(mb + at, plane_of(left, at),
							     plane_of(above, at),
							     intra->chroma[i]);
		}
	} else {
		return false;
	}
	return true;
}

bool vh264_intra_can(const u8 *mb, const u8 *left, const u8 *above, struct vh264_intra *intra)
{
	memset(intra, 0, sizeof(*intra));
	return luma_can(mb, left, above, intra) && chroma_can(mb, left, above, intra);
}

void vh264_put_intra(struct bits *b, const struct vh264_intra *intra, bool p_slice,
		     enum vh264_tokens tokens)
{
	/* Table 7-11: I_16x16_<mode>_<chroma: none or DC>_<luma: no AC> */
	put_ue(b, (p_slice ? 5 : 0) + 1 + intra->luma_mode + (intra->chroma_coded ? 4 : 0));
	put_ue(b, intra->chroma_mode);
	/* mb_qp_delta: the QP never changes; I_PCM and skipped macroblocks hand it on (7.4.5). */
	put_se(b, 0);
	vh264_put_levels(b, tokens, intra->luma);
	if (intra->chroma_coded) {
		vh264_put_levels(b, TOKENS_CHROMA_DC, intra->chroma[0]);
		vh264_put_levels(b, TOKENS_CHROMA_DC, intra->chroma[1]);
	}
}
