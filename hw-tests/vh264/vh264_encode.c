// SPDX-License-Identifier: GPL-2.0
/*
 * The bit stream. Rec. ITU-T H.264, clauses named where a line follows one. Macroblocks that
 * vh264_intra.c has no words for are I_PCM.
 *
 * After mb_type and the alignment bits everything in an I_PCM macroblock is whole bytes:
 * a picture costs one copy with emulation prevention, and a comparison.
 */
#include "vh264_bits.h"
#include "vh264_intra.h"

enum nal { NAL_SLICE = 0x61, NAL_IDR = 0x65, NAL_SPS = 0x67, NAL_PPS = 0x68 };

#define FRAME_NUM_BITS 16

/* One coded macroblock at most: 384 samples and a skip run, half as much again when escaped. */
#define MB_ROOM ((VH264_MB_BYTES + 16) * 3 / 2)
#define HEADER_ROOM 256

/* For cost(): a macroblock and two neighbours. */
#define SCRATCH_MBS 3

/* What one raw macroblock usually costs: skip run and mb_type take two or three bytes. */
#define MB_COST (VH264_MB_BYTES + 3)
/* And one that is not. */
#define INTRA_MB_COST 4

static void emit_nal_start(struct sink *s, enum nal type)
{
	static const u8 start_code[] = { 0, 0, 0, 1 };

	memcpy(s->at, start_code, sizeof(start_code));
	s->at += sizeof(start_code);
	*s->at++ = type;
	s->zeros = 0;
}

/* ---- sequence and picture headers ---- */

u32 vh264_level(u32 width, u32 height, u32 rate_num, u32 rate_den)
{
	/* Table A-1: level_idc, MaxMBPS, MaxFS. */
	static const struct { u32 idc, rate, size; } table[] = {
		{ 10, 1485, 99 },      { 11, 3000, 396 },     { 12, 6000, 396 },
		{ 13, 11880, 396 },    { 20, 11880, 396 },    { 21, 19800, 792 },
		{ 22, 20250, 1620 },   { 30, 40500, 1620 },   { 31, 108000, 3600 },
		{ 32, 216000, 5120 },  { 40, 245760, 8192 },  { 42, 522240, 8704 },
		{ 50, 589824, 22080 }, { 51, 983040, 36864 },
	};
	u32 w = (width + 15) / 16, h = (height + 15) / 16;
	u32 count = sizeof(table) / sizeof(table[0]), i;

	for (i = 0; i + 1 < count; i++) {
		u32 side = 8 * table[i].size;	/* no side longer than sqrt(8 * MaxFS) */

		if (w * h > table[i].size || w * w > side || h * h > side)
			continue;
		if (!rate_den || (u64)w * h * rate_num <= (u64)table[i].rate * rate_den)
			break;
	}
	return table[i].idc;
}

/* E.1.1 */
static void put_vui(struct bits *b, const struct vh264_sequence *s)
{
	put(b, 0, 1);			/* aspect_ratio_info_present_flag */
	put(b, 0, 1);			/* overscan_info_present_flag */
	put(b, s->colour, 1);		/* video_signal_type_present_flag */
	if (s->colour) {
		put(b, 5, 3);		/* video_format: unspecified */
		put(b, s->full_range, 1);
		put(b, 1, 1);		/* colour_description_present_flag */
		put(b, s->primaries, 8);
		put(b, s->transfer, 8);
		put(b, s->matrix, 8);
	}
	put(b, 0, 1);			/* chroma_loc_info_present_flag */
	if (s->rate_num && s->rate_den) {
		put(b, 1, 1);		/* timing_info_present_flag */
		put(b, s->rate_den, 32);	/* num_units_in_tick: a field */
		put(b, s->rate_num * 2, 32);	/* time_scale */
		put(b, 0, 1);		/* fixed_frame_rate_flag: a camera drops frames */
	} else {
		put(b, 0, 1);
	}
	put(b, 0, 1);			/* nal_hrd_parameters_present_flag */
	put(b, 0, 1);			/* vcl_hrd_parameters_present_flag */
	put(b, 0, 1);			/* pic_struct_present_flag */
	put(b, 1, 1);			/* bitstream_restriction_flag: show pictures at once */
	put(b, 1, 1);			/* motion_vectors_over_pic_boundaries_flag */
	put_ue(b, 0);			/* max_bytes_per_pic_denom: no limit */
	put_ue(b, 0);			/* max_bits_per_mb_denom: no limit */
	put_ue(b, 0);			/* log2_max_mv_length_horizontal */
	put_ue(b, 0);			/* log2_max_mv_length_vertical */
	put_ue(b, 0);			/* max_num_reorder_frames */
	put_ue(b, 1);			/* max_dec_frame_buffering */
}

/* 7.3.2.1.1 */
static void put_sps(const struct vh264_encoder *e, const struct vh264_sequence *s,
		    struct sink *sink)
{
	struct bits b = { .sink = sink };
	u32 level = vh264_level(e->width, e->height, s->rate_num, s->rate_den);
	u32 right = (e->mb_width * 16 - e->width) / 2;
	u32 bottom = (e->mb_height * 16 - e->height) / 2;
	bool constrained = s->constrained && s->profile_idc == 66;

	emit_nal_start(sink, NAL_SPS);
	put(&b, s->profile_idc, 8);
	put(&b, s->profile_idc == 66, 1);	/* constraint_set0_flag: Baseline */
	put(&b, constrained || s->profile_idc == 77, 1);	/* constraint_set1_flag: Main */
	put(&b, 0, 6);
	put(&b, level > s->level_idc ? level : s->level_idc, 8);
	put_ue(&b, 0);			/* seq_parameter_set_id */
	if (s->profile_idc == 100) {
		put_ue(&b, 1);		/* chroma_format_idc: 4:2:0 */
		put_ue(&b, 0);		/* bit_depth_luma_minus8 */
		put_ue(&b, 0);		/* bit_depth_chroma_minus8 */
		put(&b, 0, 1);		/* qpprime_y_zero_transform_bypass_flag */
		put(&b, 0, 1);		/* seq_scaling_matrix_present_flag */
	}
	put_ue(&b, FRAME_NUM_BITS - 4);
	put_ue(&b, 2);			/* pic_order_cnt_type: output order is coding order */
	put_ue(&b, 1);			/* max_num_ref_frames */
	put(&b, 0, 1);			/* gaps_in_frame_num_value_allowed_flag */
	put_ue(&b, e->mb_width - 1);
	put_ue(&b, e->mb_height - 1);
	put(&b, 1, 1);			/* frame_mbs_only_flag */
	put(&b, 1, 1);			/* direct_8x8_inference_flag */
	put(&b, right || bottom, 1);	/* frame_cropping_flag */
	if (right || bottom) {
		put_ue(&b, 0);
		put_ue(&b, right);	/* in units of two samples */
		put_ue(&b, 0);
		put_ue(&b, bottom);
	}
	put(&b, 1, 1);			/* vui_parameters_present_flag */
	put_vui(&b, s);
	finish(&b);
}

/* 7.3.2.2 */
static void put_pps(struct sink *sink)
{
	struct bits b = { .sink = sink };

	emit_nal_start(sink, NAL_PPS);
	put_ue(&b, 0);			/* pic_parameter_set_id */
	put_ue(&b, 0);			/* seq_parameter_set_id */
	put(&b, 0, 1);			/* entropy_coding_mode_flag: CAVLC */
	put(&b, 0, 1);			/* bottom_field_pic_order_in_frame_present_flag */
	put_ue(&b, 0);			/* num_slice_groups_minus1 */
	put_ue(&b, 0);			/* num_ref_idx_l0_default_active_minus1 */
	put_ue(&b, 0);			/* num_ref_idx_l1_default_active_minus1 */
	put(&b, 0, 1);			/* weighted_pred_flag */
	put(&b, 0, 2);			/* weighted_bipred_idc */
	put_se(&b, VH264_QP - 26);	/* pic_init_qp_minus26 */
	put_se(&b, 0);		/* pic_init_qs_minus26 */
	put_se(&b, 0);		/* chroma_qp_index_offset */
	put(&b, 1, 1);			/* deblocking_filter_control_present_flag */
	put(&b, 0, 1);			/* constrained_intra_pred_flag */
	put(&b, 0, 1);			/* redundant_pic_cnt_present_flag */
	finish(&b);
}

size_t vh264_headers(const struct vh264_encoder *e, const struct vh264_sequence *s,
		     u8 *out, size_t room)
{
	struct sink sink = { .at = out, .end = out + room };

	if (!fits(&sink, HEADER_ROOM))
		return 0;
	put_sps(e, s, &sink);
	put_pps(&sink);
	return sink.at - out;
}

/* 7.3.3 */
static void put_slice_header(const struct vh264_encoder *e, struct bits *b, bool idr)
{
	put_ue(b, 0);			/* first_mb_in_slice */
	put_ue(b, idr ? 7 : 5);		/* slice_type: all I, all P */
	put_ue(b, 0);			/* pic_parameter_set_id */
	put(b, e->frame_num, FRAME_NUM_BITS);
	if (idr) {
		put_ue(b, e->idr_pic_id);
		put(b, 0, 1);		/* no_output_of_prior_pics_flag */
		put(b, 0, 1);		/* long_term_reference_flag */
	} else {
		put(b, 0, 1);		/* num_ref_idx_active_override_flag */
		put(b, 0, 1);		/* ref_pic_list_modification_flag_l0 */
		put(b, 0, 1);		/* adaptive_ref_pic_marking_mode_flag */
	}
	put_se(b, 0);			/* slice_qp_delta */
	put_ue(b, 1);			/* disable_deblocking_filter_idc: off */
}

/* ---- macroblocks ---- */

/* The even bytes of a word: b0 b2 b4 b6. */
static u32 even_bytes(u64 v)
{
	v &= 0x00ff00ff00ff00ffull;
	v = (v | v >> 8) & 0x0000ffff0000ffffull;
	return (u32)(v | v >> 16);
}

static u64 even_bytes_of(u64 low, u64 high)
{
	return even_bytes(low) | (u64)even_bytes(high) << 32;
}

/* The samples of a macroblock that lies wholly in the picture, eight at a time. */
struct window {
	const u8 *luma;
	const u8 *chroma[2];
};

static struct window window(const struct vh264_picture *p, u32 x, u32 y)
{
	struct window w;
	u32 step = p->interleaved ? 16 : 8;

	w.luma = p->luma + (size_t)y * 16 * p->stride + x * 16;
	w.chroma[0] = p->chroma[0] + (size_t)y * 8 * p->chroma_stride + x * step;
	w.chroma[1] = p->interleaved ? NULL :
		p->chroma[1] + (size_t)y * 8 * p->chroma_stride + x * step;
	return w;
}

static void chroma_row(const struct vh264_picture *p, const struct window *w, u32 row,
		       u64 *cb, u64 *cr)
{
	size_t at = (size_t)row * p->chroma_stride;

	if (p->interleaved) {
		u64 low = load64(w->chroma[0] + at), high = load64(w->chroma[0] + at + 8);

		*cb = even_bytes_of(low, high);
		*cr = even_bytes_of(low >> 8, high >> 8);
	} else {
		*cb = load64(w->chroma[0] + at);
		*cr = load64(w->chroma[1] + at);
	}
}

static bool inner_differs(const struct vh264_picture *p, u32 x, u32 y, const u8 *mb)
{
	struct window w = window(p, x, y);

	for (u32 row = 0; row < 16; row++) {
		const u8 *at = w.luma + (size_t)row * p->stride;

		if ((load64(at) ^ load64(mb + 16 * row)) |
		    (load64(at + 8) ^ load64(mb + 16 * row + 8)))
			return true;
	}
	for (u32 row = 0; row < 8; row++) {
		u64 cb, cr;

		chroma_row(p, &w, row, &cb, &cr);
		if ((cb ^ load64(mb + 256 + 8 * row)) | (cr ^ load64(mb + 320 + 8 * row)))
			return true;
	}
	return false;
}

static void inner_gather(const struct vh264_picture *p, u32 x, u32 y, u8 *mb)
{
	struct window w = window(p, x, y);

	for (u32 row = 0; row < 16; row++) {
		const u8 *at = w.luma + (size_t)row * p->stride;

		store64(mb + 16 * row, load64(at));
		store64(mb + 16 * row + 8, load64(at + 8));
	}
	for (u32 row = 0; row < 8; row++) {
		u64 cb, cr;

		chroma_row(p, &w, row, &cb, &cr);
		store64(mb + 256 + 8 * row, cb);
		store64(mb + 320 + 8 * row, cr);
	}
}

static u32 at_most(u32 value, u32 limit)
{
	return value < limit ? value : limit;
}

/* A macroblock at the right or lower edge: what lies outside repeats the last sample. */
static void edge_gather(const struct vh264_encoder *e, const struct vh264_picture *p,
			u32 x, u32 y, u8 *mb)
{
	u32 step = p->interleaved ? 2 : 1;
	const u8 *cb = p->chroma[0];
	const u8 *cr = p->interleaved ? p->chroma[0] + 1 : p->chroma[1];

	for (u32 row = 0; row < 16; row++) {
		size_t line = (size_t)at_most(y * 16 + row, e->height - 1) * p->stride;

		for (u32 i = 0; i < 16; i++)
			*mb++ = p->luma[line + at_most(x * 16 + i, e->width - 1)];
	}
	for (u32 row = 0; row < 8; row++) {
		size_t line = (size_t)at_most(y * 8 + row, e->height / 2 - 1) * p->chroma_stride;

		for (u32 i = 0; i < 8; i++) {
			size_t at = line + at_most(x * 8 + i, e->width / 2 - 1) * step;

			mb[8 * row + i] = cb[at];
			mb[64 + 8 * row + i] = cr[at];
		}
	}
}

static bool is_inner(const struct vh264_encoder *e, u32 x, u32 y)
{
	return x * 16 + 16 <= e->width && y * 16 + 16 <= e->height;
}

static bool differs(const struct vh264_encoder *e, const struct vh264_picture *p,
		    u32 x, u32 y, const u8 *mb)
{
	u8 edge[VH264_MB_BYTES];

	if (is_inner(e, x, y))
		return inner_differs(p, x, y, mb);
	edge_gather(e, p, x, y, edge);
	return memcmp(edge, mb, sizeof(edge)) != 0;
}

static void gather(const struct vh264_encoder *e, const struct vh264_picture *p,
		   u32 x, u32 y, u8 *mb)
{
	if (is_inner(e, x, y))
		inner_gather(p, x, y, mb);
	else
		edge_gather(e, p, x, y, mb);
}

/* About what a macroblock costs, if its neighbours are coded too or have not changed. */
static u32 cost(const struct vh264_encoder *e, const struct vh264_picture *p, u32 x, u32 y)
{
	u8 *mb = e->scratch, *left = mb + VH264_MB_BYTES, *above = left + VH264_MB_BYTES;
	struct vh264_intra intra;

	if (e->raw)
		return MB_COST;
	gather(e, p, x, y, mb);
	if (x)
		gather(e, p, x - 1, y, left);
	if (y)
		gather(e, p, x, y - 1, above);
	return vh264_intra_can(mb, x ? left : NULL, y ? above : NULL, &intra) ?
		INTRA_MB_COST : MB_COST;
}

/*
 * Picks the macroblocks of a P picture until the budget is spent, or all that changed if there
 * is none. One that found no room is first the next time: with little bit rate a moving picture
 * is late, but late everywhere.
 */
static void pick(struct vh264_encoder *e, const struct vh264_picture *p, u32 budget)
{
	u32 total = e->mb_width * e->mb_height, spent = 0;
	u32 at = budget ? e->cursor : 0;
	u32 x = at % e->mb_width, y = at / e->mb_width;

	memset(e->coded, MB_SKIPPED, total);
	for (u32 seen = 0; seen < total; seen++) {
		if (differs(e, p, x, y, e->reference + (size_t)at * VH264_MB_BYTES)) {
			if (budget) {
				u32 more = cost(e, p, x, y);

				/* The first one goes however little there is. */
				if (spent && spent + more > budget)
					break;
				spent += more;
			}
			e->coded[at] = MB_CHANGED;
		}
		at++;
		if (++x == e->mb_width) {
			x = 0;
			if (++y == e->mb_height) {
				y = 0;
				at = 0;
			}
		}
	}
	e->cursor = at;
}

/* nC of the luma, 9.2.1: I_PCM counts as sixteen levels, everything else here has no AC. */
static enum vh264_tokens tokens_at(const struct vh264_encoder *e, u32 x, u32 y)
{
	const u8 *coded = e->coded + (size_t)y * e->mb_width + x;
	bool raw = (x && coded[-1] == MB_PCM) || (y && coded[-(s32)e->mb_width] == MB_PCM);

	return raw ? TOKENS_NC_8 : TOKENS_NC_0;
}

/* From the macroblock's place in the reference, which holds it already; returns what it became. */
static u8 put_macroblock(const struct vh264_encoder *e, struct bits *b, bool idr, u32 x, u32 y)
{
	const u8 *mb = e->reference + ((size_t)y * e->mb_width + x) * VH264_MB_BYTES;
	const u8 *left = x ? mb - VH264_MB_BYTES : NULL;
	const u8 *above = y ? mb - (size_t)e->mb_width * VH264_MB_BYTES : NULL;
	struct vh264_intra intra;

	if (!e->raw && vh264_intra_can(mb, left, above, &intra)) {
		vh264_put_intra(b, &intra, !idr, tokens_at(e, x, y));
		return MB_PREDICTED;
	}
	put_ue(b, idr ? 25 : 30);	/* mb_type: I_PCM */
	align(b);
	emit_words(b->sink, mb, VH264_MB_BYTES);
	return MB_PCM;
}

size_t vh264_encode(struct vh264_encoder *e, const struct vh264_picture *p, bool idr,
		    u32 budget, u8 *out, size_t room)
{
	struct sink sink = { .at = out, .end = out + room };
	struct bits b = { .sink = &sink };
	u32 total = e->mb_width * e->mb_height, skipped = 0, at = 0;

	idr |= !e->has_reference;
	e->has_reference = false;	/* until all is written */
	if (!fits(&sink, HEADER_ROOM))
		return 0;
	if (idr) {
		e->frame_num = 0;
		e->idr_pic_id ^= 1;	/* two in a row must differ (7.4.3) */
		memset(e->coded, MB_CHANGED, total);
	} else {
		e->frame_num = (e->frame_num + 1) & ((1u << FRAME_NUM_BITS) - 1);
		pick(e, p, budget);
	}
	emit_nal_start(&sink, idr ? NAL_IDR : NAL_SLICE);
	put_slice_header(e, &b, idr);
	for (u32 y = 0; y < e->mb_height; y++) {
		for (u32 x = 0; x < e->mb_width; x++, at++) {
			u8 *mb = e->reference + (size_t)at * VH264_MB_BYTES;

			if (e->coded[at] == MB_SKIPPED) {
				skipped++;
				continue;
			}
			if (!fits(&sink, MB_ROOM))
				return 0;
			gather(e, p, x, y, mb);
			if (!idr)
				put_ue(&b, skipped);	/* mb_skip_run */
			skipped = 0;
			e->coded[at] = put_macroblock(e, &b, idr, x, y);
		}
	}
	if (!fits(&sink, HEADER_ROOM))
		return 0;
	if (skipped)
		put_ue(&b, skipped);
	finish(&b);
	e->has_reference = true;
	return sink.at - out;
}

/* ---- memory ---- */

static u32 macroblocks(u32 samples)
{
	return (samples + 15) / 16;
}

size_t vh264_memory(u32 width, u32 height)
{
	return (size_t)macroblocks(width) * macroblocks(height) * (VH264_MB_BYTES + 1) +
	       SCRATCH_MBS * VH264_MB_BYTES;
}

size_t vh264_worst_case(u32 width, u32 height)
{
	return (size_t)macroblocks(width) * macroblocks(height) * MB_ROOM + 3 * HEADER_ROOM;
}

void vh264_start(struct vh264_encoder *e, void *memory, u32 width, u32 height)
{
	memset(e, 0, sizeof(*e));
	e->width = width;
	e->height = height;
	e->mb_width = macroblocks(width);
	e->mb_height = macroblocks(height);
	e->scratch = memory;
	e->reference = e->scratch + SCRATCH_MBS * VH264_MB_BYTES;
	e->coded = e->reference + (size_t)e->mb_width * e->mb_height * VH264_MB_BYTES;
}

/* ---- YUYV ---- */

void vh264_from_yuyv(const u8 *yuyv, u32 stride, u32 width, u32 height, u8 *nv12)
{
	const u64 lanes = 0x00ff00ff00ff00ffull, halves = 0x0001000100010001ull;
	u8 *luma = nv12, *chroma = nv12 + (size_t)width * height;

	for (u32 y = 0; y + 1 < height; y += 2, luma += 2 * width, chroma += width) {
		const u8 *upper = yuyv + (size_t)y * stride, *lower = upper + stride;
		u32 x = 0;

		/* Four pixels are one word: y u y v y u y v. */
		for (; x + 4 <= width; x += 4) {
			u64 a = load64(upper + 2 * x), b = load64(lower + 2 * x);
			u32 upper_y = even_bytes(a), lower_y = even_bytes(b);
			u32 uv = even_bytes((((a >> 8) & lanes) + ((b >> 8) & lanes) + halves) >> 1);

			memcpy(luma + x, &upper_y, 4);
			memcpy(luma + width + x, &lower_y, 4);
			memcpy(chroma + x, &uv, 4);
		}
		for (; x < width; x += 2) {
			const u8 *a = upper + 2 * x, *b = lower + 2 * x;

			luma[x] = a[0];
			luma[x + 1] = a[2];
			luma[width + x] = b[0];
			luma[width + x + 1] = b[2];
			chroma[x] = (a[1] + b[1] + 1) / 2;
			chroma[x + 1] = (a[3] + b[3] + 1) / 2;
		}
	}
}
