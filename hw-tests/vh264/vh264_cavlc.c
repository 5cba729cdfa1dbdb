// SPDX-License-Identifier: GPL-2.0
/* Rec. ITU-T H.264, 9.2, seen from the writing end. */
#include "vh264_cavlc.h"

struct code {
	u8 length, bits;
};

/* Table 9-5, by TotalCoeff and TrailingOnes. */
static struct code coeff_token(enum vh264_tokens tokens, u32 total, u32 ones)
{
	static const struct code chroma_dc[VH264_DC_LEVELS + 1][4] = {
		{ { 2, 1 } },
		{ { 6, 7 }, { 1, 1 } },
		{ { 6, 4 }, { 6, 6 }, { 3, 1 } },
		{ { 6, 3 }, { 7, 3 }, { 7, 2 }, { 6, 5 } },
		{ { 6, 2 }, { 8, 3 }, { 8, 2 }, { 7, 0 } },
	};
	static const struct code nc_0[2][2] = { { { 1, 1 } }, { { 6, 5 }, { 2, 1 } } };
	static const struct code nc_8[2][2] = { { { 6, 3 } }, { { 6, 0 }, { 6, 1 } } };

	switch (tokens) {
	case TOKENS_NC_0:
		return nc_0[total][ones];
	case TOKENS_NC_8:
		return nc_8[total][ones];
	default:
		return chroma_dc[total][ones];
	}
}

static u32 magnitude(s32 level)
{
	return level < 0 ? -level : level;
}

/* 9.2.2.1; level_prefix is a unary number. */
static void put_level(struct bits *b, u32 code, u32 suffix_length)
{
	const u32 escape_bits = 12;
	u32 escape = suffix_length ? 15u << suffix_length : 30;

	if (code >= escape) {
		put(b, 1, 15 + 1);
		put(b, code - escape, escape_bits);
	} else if (suffix_length) {
		put(b, 1, (code >> suffix_length) + 1);
		put(b, code, suffix_length);
	} else if (code < 14) {
		put(b, 1, code + 1);
	} else {
		put(b, 1, 14 + 1);
		put(b, code - 14, 4);
	}
}

/* Table 9-9 (a) for chroma DC. The first column of Table 9-7 begins with the same 1. */
static void put_total_zeros(struct bits *b, u32 total, u32 zeros)
{
	u32 most = VH264_DC_LEVELS - total;

	if (zeros < most)
		put(b, 1, zeros + 1);
	else
		put(b, 0, most);
}

/* Table 9-10. Where there are two levels to part, there are at most two zeros. */
static void put_run_before(struct bits *b, u32 run, u32 zeros_left)
{
	if (run < zeros_left)
		put(b, 1, run + 1);
	else
		put(b, 0, zeros_left);
}

void vh264_put_levels(struct bits *b, enum vh264_tokens tokens,
		      const s32 levels[VH264_DC_LEVELS])
{
	s32 value[VH264_DC_LEVELS];	/* those that are not zero, the highest frequency first */
	u32 run[VH264_DC_LEVELS];	/* zeros right below each */
	u32 total = 0, ones = 0, zeros = 0, suffix_length = 0, code;
	struct code token;

	for (u32 i = VH264_DC_LEVELS; i-- > 0;) {
		if (levels[i]) {
			value[total] = levels[i];
			run[total++] = 0;
		} else if (total) {
			run[total - 1]++;
			zeros++;
		}
	}
	while (ones < 3 && ones < total && magnitude(value[ones]) == 1)
		ones++;
	token = coeff_token(tokens, total, ones);
	put(b, token.bits, token.length);
	for (u32 i = 0; i < ones; i++)
		put(b, value[i] < 0, 1);	/* trailing_ones_sign_flag */
	for (u32 i = ones; i < total; i++) {
		code = 2 * magnitude(value[i]) - (value[i] > 0 ? 2 : 1);
		if (i == ones && ones < 3)
			code -= 2;	/* it cannot be +-1, or it would trail */
		put_level(b, code, suffix_length);
		if (!suffix_length)
			suffix_length = 1;
		if (magnitude(value[i]) > 3u << (suffix_length - 1) && suffix_length < 6)
			suffix_length++;
	}
	if (!total || total == VH264_DC_LEVELS)
		return;
	put_total_zeros(b, total, zeros);
	for (u32 i = 0; i + 1 < total && zeros; i++) {
		put_run_before(b, run[i], zeros);
		zeros -= run[i];
	}
}
