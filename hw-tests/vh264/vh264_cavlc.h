/* SPDX-License-Identifier: GPL-2.0 */
/* Transform coefficient levels as CAVLC writes them, as far as vh264_intra.c has any. */
#ifndef VH264_CAVLC_H
#define VH264_CAVLC_H

#include "vh264_bits.h"

#define VH264_DC_LEVELS 4

/* The column of Table 9-5 that coeff_token is taken from. */
enum vh264_tokens {
	TOKENS_NC_0,	/* 0 <= nC < 2 */
	TOKENS_NC_8,	/* 8 <= nC */
	TOKENS_CHROMA_DC,	/* nC == -1 */
};

/*
 * residual_block_cavlc(), 7.3.5.3.2, of four levels, the lowest frequency first; none beyond
 * +-2063. Outside of chroma DC the block has sixteen, and all but the first are zero.
 */
void vh264_put_levels(struct bits *b, enum vh264_tokens tokens,
		      const s32 levels[VH264_DC_LEVELS]);

#endif
