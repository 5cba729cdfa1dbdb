// SPDX-License-Identifier: GPL-2.0
/*
 * Runs the bit stream code of the virtual encoder in user space on pictures that are
 * hard on it, and writes what a decoder must make of them. For the unit test. Says how many
 * macroblocks became what.
 *
 *   random-pictures SEED WIDTH HEIGHT FRAMES nv12|yu12|yuyv BUDGET noise|tiles OUT.h264 OUT.yuv
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../vh264_encode.h"

static u64 state;

static u32 random_u32(void)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return state >> 33;
}

/* Bytes that provoke emulation prevention, or noise, or a flat area. */
static u8 nasty(u32 kind)
{
	switch (kind) {
	case 0: return 0;
	case 1: return random_u32() % 4;
	case 2: return random_u32() % 8 ? 0 : random_u32();
	case 3: return 77;
	default: return random_u32();
	}
}

static void change(u8 *picture, size_t size, u32 frame)
{
	u32 patches = frame ? random_u32() % 12 : 1;

	for (u32 i = 0; i < patches; i++) {
		u32 kind = random_u32() % 5;
		size_t length = frame ? random_u32() % (size / 8 + 1) : size;
		size_t at = frame ? random_u32() % (size - length) : 0;

		for (size_t j = 0; j < length; j++)
			picture[at + j] = nasty(kind);
	}
}

/* ---- tiles: areas of one colour and stripes, some of them on the grid of macroblocks ---- */

/* A sample grid within a picture: a plane, or one component of packed pixels. */
struct grid {
	u8 *at;
	u32 width, height;
	u32 step, stride;
	u32 block;	/* side of its part of a macroblock */
};

/* Far away, near by and the two ends: each has another way through the code tables. */
static u8 shade(u8 before)
{
	switch (random_u32() % 5) {
	case 0: return random_u32() % 2 ? 255 : 0;
	case 1: return random_u32();
	case 2: return 128;
	case 3: return before;
	default: return before + random_u32() % 5 - 2;
	}
}

static void paint(const struct grid *g, u32 x, u32 y, u32 width, u32 height)
{
	u32 kind = random_u32() % 20;
	u8 value = shade(g->at[(size_t)y * g->stride + x * g->step]);

	for (u32 row = y; row < y + height && row < g->height; row++) {
		for (u32 i = x; i < x + width && i < g->width; i++) {
			u8 *sample = g->at + (size_t)row * g->stride + i * g->step;

			switch (kind) {
			case 0: *sample = random_u32(); break;
			case 1: *sample = value ^ (i * 37); break;
			case 2: *sample = value ^ (row * 37); break;
			/* As it was in the picture before, and so often like its neighbour. */
			case 3: break;
			default: *sample = value; break;
			}
		}
	}
}

/* One sample astray is enough to spoil a macroblock. */
static void speck(const struct grid *g)
{
	u8 *sample = g->at + (size_t)(random_u32() % g->height) * g->stride +
		     random_u32() % g->width * g->step;

	*sample ^= 1;
}

static void tile(const struct grid *grids, u32 count, u32 frame)
{
	u32 fill = grids[0].width * grids[0].height / 512 + 1;
	u32 tiles = frame % 7 ? 1 + random_u32() % fill : 2 * fill;

	for (u32 i = 0; i < tiles; i++) {
		/* In units of a macroblock, or with odd borders. All planes alike, or one alone. */
		u32 unit = random_u32() % 12 ? 16 : 2;
		u32 x = random_u32() % (grids[0].width / unit) * unit;
		u32 y = random_u32() % (grids[0].height / unit) * unit;
		u32 width = unit * (1 + random_u32() % 4), height = unit * (1 + random_u32() % 4);
		u32 only = random_u32() % (2 * count);

		for (u32 j = 0; j < count; j++) {
			const struct grid *g = grids + j;

			if (only < count && only != j)
				continue;
			paint(g, x * g->width / grids[0].width, y * g->height / grids[0].height,
			      width * g->width / grids[0].width,
			      height * g->height / grids[0].height);
		}
		if (random_u32() % 20 == 0)
			speck(grids + random_u32() % count);
	}
}

static void tile_picture(u8 *p, const char *layout, u32 w, u32 h, u32 frame)
{
	u8 *chroma = p + (size_t)w * h;
	bool yuyv = layout[2] == 'y', planar = layout[0] == 'y' && !yuyv;
	struct grid grids[3] = {
		{ .at = p, .width = w, .height = h, .step = 1, .stride = w },
		{ .at = chroma, .width = w / 2, .height = h / 2, .step = 2, .stride = w },
		{ .at = chroma + 1, .width = w / 2, .height = h / 2, .step = 2, .stride = w },
	};

	if (planar) {
		grids[1].step = grids[2].step = 1;
		grids[1].stride = grids[2].stride = w / 2;
		grids[2].at = chroma + (size_t)w * h / 4;
	} else if (yuyv) {
		grids[0].step = 2;
		grids[0].stride = 2 * w;
		for (u32 i = 1; i < 3; i++)
			grids[i] = (struct grid){ .at = p + 2 * i - 1, .width = w / 2, .height = h,
						  .step = 4, .stride = 2 * w };
	}
	tile(grids, 3, frame);
}

/* 4:2:0 planar of a packed picture, in the plainest way. */
static void expect(const u8 *p, const char *layout, u32 w, u32 h, u8 *yuv)
{
	u8 *u = yuv + (size_t)w * h, *v = u + (size_t)w * h / 4;

	for (u32 y = 0; y < h; y++)
		for (u32 x = 0; x < w; x++)
			*yuv++ = layout[2] == 'y' ? p[(y * w + x) * 2] : p[y * w + x];
	for (u32 y = 0; y < h / 2; y++) {
		for (u32 x = 0; x < w / 2; x++) {
			const u8 *chroma = p + (size_t)w * h;

			if (layout[2] == 'y') {
				const u8 *a = p + (size_t)y * 2 * w * 2 + x * 4, *b = a + w * 2;

				*u++ = (a[1] + b[1] + 1) / 2;
				*v++ = (a[3] + b[3] + 1) / 2;
			} else if (layout[0] == 'n') {
				*u++ = chroma[y * w + 2 * x];
				*v++ = chroma[y * w + 2 * x + 1];
			} else {
				*u++ = chroma[y * (w / 2) + x];
				*v++ = chroma[(h / 2 + y) * (w / 2) + x];
			}
		}
	}
}

/* What the encoder believes a decoder has. */
static void remembered(const struct vh264_encoder *e, u8 *yuv)
{
	u32 w = e->width, h = e->height;

	for (u32 y = 0; y < h; y++)
		for (u32 x = 0; x < w; x++)
			*yuv++ = e->reference[(size_t)(y / 16 * e->mb_width + x / 16) * VH264_MB_BYTES +
					      y % 16 * 16 + x % 16];
	for (u32 plane = 0; plane < 2; plane++)
		for (u32 y = 0; y < h / 2; y++)
			for (u32 x = 0; x < w / 2; x++)
				*yuv++ = e->reference[(size_t)(y / 8 * e->mb_width + x / 8) *
						      VH264_MB_BYTES + 256 + plane * 64 +
						      y % 8 * 8 + x % 8];
}

static struct vh264_picture view(const u8 *p, const char *layout, u32 w, u32 h)
{
	const u8 *chroma = p + (size_t)w * h;
	struct vh264_picture v = { .luma = p, .stride = w, .chroma = { chroma, NULL },
				   .chroma_stride = w, .interleaved = true };

	if (layout[0] == 'y' && layout[1] == 'u' && layout[2] == '1') {
		v.interleaved = false;
		v.chroma_stride = w / 2;
		v.chroma[1] = chroma + (size_t)w * h / 4;
	}
	return v;
}

int main(int argc, char **argv)
{
	u64 became[4] = { 0 };

	if (argc != 10)
		return 2;
	state = strtoull(argv[1], NULL, 10);
	u32 w = atoi(argv[2]), h = atoi(argv[3]), frames = atoi(argv[4]), budget = atoi(argv[6]);
	const char *layout = argv[5];
	bool yuyv = layout[2] == 'y', tiles = !strcmp(argv[7], "tiles");
	size_t size = (size_t)w * h * (yuyv ? 4 : 3) / 2, planar = (size_t)w * h * 3 / 2;
	size_t room = vh264_worst_case(w, h);
	u8 *picture = calloc(1, size), *converted = malloc(planar), *yuv = malloc(planar);
	u8 *memory = malloc(vh264_memory(w, h)), *out = malloc(room);
	FILE *stream = fopen(argv[8], "wb"), *expected = fopen(argv[9], "wb");
	struct vh264_encoder e;
	struct vh264_sequence s = { .profile_idc = 66, .constrained = true, .level_idc = 10,
				    .rate_num = 30, .rate_den = 1 };
	static const u32 other_profiles[] = { 77, 100 };

	if (!picture || !converted || !yuv || !memory || !out || !stream || !expected)
		return 2;
	if (state % 3)
		s.profile_idc = other_profiles[state % 3 - 1];
	vh264_start(&e, memory, w, h);
	for (u32 frame = 0; frame < frames; frame++) {
		bool idr = frame % 7 == 0;
		struct vh264_picture v;
		size_t bytes = 0;

		if (tiles)
			tile_picture(picture, layout, w, h, frame);
		else
			change(picture, size, frame);
		e.raw = frame % 50 == 49;
		if (yuyv) {
			vh264_from_yuyv(picture, w * 2, w, h, converted);
			v = view(converted, "nv12", w, h);
		} else {
			v = view(picture, layout, w, h);
		}
		if (idr)
			bytes = vh264_headers(&e, &s, out, room);
		bytes += vh264_encode(&e, &v, idr, budget, out + bytes, room - bytes);
		if (!e.has_reference) {
			fprintf(stderr, "frame %u does not fit\n", frame);
			return 1;
		}
		for (u32 i = 0; i < e.mb_width * e.mb_height; i++)
			became[e.coded[i]]++;
		fwrite(out, 1, bytes, stream);
		if (budget)
			remembered(&e, yuv);
		else
			expect(picture, layout, w, h, yuv);
		fwrite(yuv, 1, planar, expected);
	}
	printf("skipped %llu predicted %llu raw %llu\n", (unsigned long long)became[MB_SKIPPED],
	       (unsigned long long)became[MB_PREDICTED], (unsigned long long)became[MB_PCM]);
	free(picture);
	free(converted);
	free(yuv);
	free(memory);
	free(out);
	return fclose(stream) || fclose(expected);
}
