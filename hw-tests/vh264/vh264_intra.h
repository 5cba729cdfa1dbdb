/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Macroblocks that Intra_16x16 says exactly: those that go on from a neighbour, and those of one
 * colour. Everything else is for I_PCM.
 */
#ifndef VH264_INTRA_H
#define VH264_INTRA_H

#include "vh264_cavlc.h"

/* QP_Y of every macroblock; see vh264_intra.c. */
#define VH264_QP 10

struct vh264_intra {
	u8 luma_mode, chroma_mode;
	bool chroma_coded;
	s32 luma[VH264_DC_LEVELS];
	s32 chroma[2][VH264_DC_LEVELS];
};

/*
 * Whether these samples can be said so; they and their neighbours lie as in the encoder's
 * reference. NULL: no neighbour in this slice.
 */
bool vh264_intra_can(const u8 *mb, const u8 *left, const u8 *above, struct vh264_intra *intra);

/* macroblock_layer(), 7.3.5. `tokens` is for nC of the luma. */
void vh264_put_intra(struct bits *b, const struct vh264_intra *intra, bool p_slice,
		     enum vh264_tokens tokens);

#endif
