// SPDX-License-Identifier: GPL-2.0
/* Formats, sizes, the visible rectangle, the frame rate. */
#include <linux/align.h>

#include "vh264.h"

static const u32 raw_formats[] = {
	V4L2_PIX_FMT_YUV420, V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_NV12,
};

static bool known_raw(u32 fourcc)
{
	for (int i = 0; i < ARRAY_SIZE(raw_formats); i++)
		if (raw_formats[i] == fourcc)
			return true;
	return false;
}

/* Whether the type belongs to the API (single- or multi-planar) this module speaks. */
static bool spoken(u32 type)
{
	return V4L2_TYPE_IS_MULTIPLANAR(type) == multiplanar;
}

static u32 scaled_size(const struct vh264_raw *raw)
{
	u32 lines = raw->stride * raw->height;

	return raw->fourcc == V4L2_PIX_FMT_YUYV ? lines : lines + lines / 2;
}

/* The format nearest to what was asked. */
static struct vh264_raw nearest(const struct vh264_dev *dev, u32 fourcc, u32 width, u32 height)
{
	struct vh264_raw raw = { .fourcc = known_raw(fourcc) ? fourcc : raw_formats[0] };

	if (vh264_fault(dev, FAULT_ENUM) && raw.fourcc == V4L2_PIX_FMT_NV12)
		raw.fourcc = V4L2_PIX_FMT_YUV420;
	if (vh264_fault(dev, FAULT_SFMT_SIZE)) {
		width = width > 16 ? width - 16 : width;
		height = height > 16 ? height - 16 : height;
	}
	raw.width = ALIGN(clamp(width, MIN_SIDE, MAX_WIDTH), 2);
	raw.height = ALIGN(clamp(height, MIN_SIDE, MAX_HEIGHT), max(height_align, 2u));
	raw.stride = raw.fourcc == V4L2_PIX_FMT_YUYV ? raw.width * 2 : raw.width;
	raw.stride = ALIGN(raw.stride, max(stride_align, 2u));
	raw.sizeimage = scaled_size(&raw);
	return raw;
}

/* Bytes of a coded buffer: enough for the worst picture, or more if asked. */
u32 vh264_coded_sizeimage(const struct vh264_ctx *ctx, u32 asked)
{
	int small = vh264_fault(ctx->dev, FAULT_SMALL_CAPTURE);
	u32 needed = vh264_worst_case(ctx->crop.width, ctx->crop.height);

	if (small)
		return small == 1 ? 4096 : small;
	return max(PAGE_ALIGN(needed), min(asked, 32u << 20));
}

static void use_raw(struct vh264_ctx *ctx, const struct vh264_raw *raw, u32 width, u32 height)
{
	ctx->raw = *raw;
	ctx->crop = (struct v4l2_rect){ .width = raw->width, .height = raw->height };
	if (crop_to_request) {
		ctx->crop.width = clamp(ALIGN(width, 2), MIN_SIDE, raw->width);
		ctx->crop.height = clamp(ALIGN(height, 2), MIN_SIDE, raw->height);
	}
	ctx->coded_sizeimage = vh264_coded_sizeimage(ctx, ctx->coded_asked);
}

void vh264_format_init(struct vh264_ctx *ctx)
{
	struct vh264_raw raw = nearest(ctx->dev, raw_formats[0], 640, 480);

	raw.colorspace = V4L2_COLORSPACE_SMPTE170M;
	use_raw(ctx, &raw, 640, 480);
	ctx->interval = (struct v4l2_fract){ 1, 30 };
}

int vh264_querycap(struct file *file, void *priv, struct v4l2_capability *cap)
{
	struct vh264_dev *dev = video_drvdata(file);

	strscpy(cap->driver, VH264_NAME, sizeof(cap->driver));
	strscpy(cap->card, dev->vfd.name, sizeof(cap->card));
	return 0;
}

int vh264_enum_fmt_cap(struct file *file, void *priv, struct v4l2_fmtdesc *f)
{
	if (!spoken(f->type) || f->index)
		return -EINVAL;
	f->pixelformat = V4L2_PIX_FMT_H264;
	return 0;
}

int vh264_enum_fmt_out(struct file *file, void *priv, struct v4l2_fmtdesc *f)
{
	if (!spoken(f->type) || f->index >= ARRAY_SIZE(raw_formats))
		return -EINVAL;
	f->pixelformat = raw_formats[f->index];
	return 0;
}

int vh264_enum_framesizes(struct file *file, void *priv, struct v4l2_frmsizeenum *s)
{
	if (s->index || (s->pixel_format != V4L2_PIX_FMT_H264 && !known_raw(s->pixel_format)))
		return -EINVAL;
	s->type = V4L2_FRMSIZE_TYPE_STEPWISE;
	s->stepwise = (struct v4l2_frmsize_stepwise){
		.min_width = MIN_SIDE, .max_width = MAX_WIDTH, .step_width = 2,
		.min_height = MIN_SIDE, .max_height = MAX_HEIGHT, .step_height = 2,
	};
	return 0;
}

/* One answer for both APIs: memory is one plane in both. */
struct answer {
	u32 fourcc, width, height, stride, sizeimage;
	u32 colorspace, xfer_func, ycbcr_enc, quantization;
};

static void give(const struct vh264_dev *dev, struct v4l2_format *f, const struct answer *a)
{
	u32 sizeimage = vh264_fault(dev, FAULT_SIZEIMAGE_ZERO) ? 0 : a->sizeimage;

	if (multiplanar) {
		struct v4l2_pix_format_mplane *mp = &f->fmt.pix_mp;

		memset(mp, 0, sizeof(*mp));
		mp->width = a->width;
		mp->height = a->height;
		mp->pixelformat = a->fourcc;
		mp->field = V4L2_FIELD_NONE;
		mp->num_planes = 1;
		mp->plane_fmt[0].bytesperline = a->stride;
		mp->plane_fmt[0].sizeimage = sizeimage;
		mp->colorspace = a->colorspace;
		mp->xfer_func = a->xfer_func;
		mp->ycbcr_enc = a->ycbcr_enc;
		mp->quantization = a->quantization;
	} else {
		struct v4l2_pix_format *pix = &f->fmt.pix;

		pix->width = a->width;
		pix->height = a->height;
		pix->pixelformat = a->fourcc;
		pix->field = V4L2_FIELD_NONE;
		pix->bytesperline = a->stride;
		pix->sizeimage = sizeimage;
		pix->colorspace = a->colorspace;
		pix->xfer_func = a->xfer_func;
		pix->ycbcr_enc = a->ycbcr_enc;
		pix->quantization = a->quantization;
		pix->flags = 0;
	}
}

static void give_raw(const struct vh264_dev *dev, struct v4l2_format *f,
		     const struct vh264_raw *raw)
{
	const struct answer a = {
		.fourcc = raw->fourcc, .width = raw->width, .height = raw->height,
		.stride = raw->stride, .sizeimage = raw->sizeimage,
		.colorspace = raw->colorspace, .xfer_func = raw->xfer_func,
		.ycbcr_enc = raw->ycbcr_enc, .quantization = raw->quantization,
	};

	give(dev, f, &a);
}

static void give_coded(const struct vh264_ctx *ctx, struct v4l2_format *f, u32 sizeimage)
{
	const struct answer a = {
		.fourcc = V4L2_PIX_FMT_H264,
		.width = ALIGN(ctx->crop.width, 16), .height = ALIGN(ctx->crop.height, 16),
		.sizeimage = sizeimage,
		.colorspace = ctx->raw.colorspace, .xfer_func = ctx->raw.xfer_func,
		.ycbcr_enc = ctx->raw.ycbcr_enc, .quantization = ctx->raw.quantization,
	};

	give(ctx->dev, f, &a);
}

static u32 asked_sizeimage(const struct v4l2_format *f)
{
	return multiplanar ? f->fmt.pix_mp.plane_fmt[0].sizeimage : f->fmt.pix.sizeimage;
}

/* The raw format a request leads to; also the size that was asked for. */
static struct vh264_raw requested(const struct vh264_dev *dev, const struct v4l2_format *f,
				  u32 *width, u32 *height)
{
	struct vh264_raw raw;

	if (multiplanar) {
		const struct v4l2_pix_format_mplane *mp = &f->fmt.pix_mp;

		*width = mp->width;
		*height = mp->height;
		raw = nearest(dev, mp->pixelformat, *width, *height);
		raw.colorspace = mp->colorspace;
		raw.xfer_func = mp->xfer_func;
		raw.ycbcr_enc = mp->ycbcr_enc;
		raw.quantization = mp->quantization;
	} else {
		const struct v4l2_pix_format *pix = &f->fmt.pix;

		*width = pix->width;
		*height = pix->height;
		raw = nearest(dev, pix->pixelformat, *width, *height);
		raw.colorspace = pix->colorspace;
		raw.xfer_func = pix->xfer_func;
		raw.ycbcr_enc = pix->ycbcr_enc;
		raw.quantization = pix->quantization;
	}
	if (raw.colorspace == V4L2_COLORSPACE_DEFAULT)
		raw.colorspace = raw.height <= 576 ?
			V4L2_COLORSPACE_SMPTE170M : V4L2_COLORSPACE_REC709;
	return raw;
}

int vh264_g_fmt(struct file *file, void *priv, struct v4l2_format *f)
{
	struct vh264_ctx *ctx = vh264_ctx_of(file);

	if (!spoken(f->type))
		return -EINVAL;
	if (V4L2_TYPE_IS_OUTPUT(f->type))
		give_raw(ctx->dev, f, &ctx->raw);
	else
		give_coded(ctx, f, ctx->coded_sizeimage);
	return 0;
}

int vh264_try_fmt_cap(struct file *file, void *priv, struct v4l2_format *f)
{
	struct vh264_ctx *ctx = vh264_ctx_of(file);

	if (!spoken(f->type))
		return -EINVAL;
	give_coded(ctx, f, vh264_coded_sizeimage(ctx, asked_sizeimage(f)));
	return 0;
}

int vh264_try_fmt_out(struct file *file, void *priv, struct v4l2_format *f)
{
	struct vh264_ctx *ctx = vh264_ctx_of(file);
	struct vh264_raw raw;
	u32 width, height;

	if (!spoken(f->type))
		return -EINVAL;
	raw = requested(ctx->dev, f, &width, &height);
	give_raw(ctx->dev, f, &raw);
	return 0;
}

int vh264_s_fmt_cap(struct file *file, void *priv, struct v4l2_format *f)
{
	struct vh264_ctx *ctx = vh264_ctx_of(file);

	if (!spoken(f->type))
		return -EINVAL;
	if (vb2_is_busy(v4l2_m2m_get_dst_vq(ctx->fh.m2m_ctx)))
		return -EBUSY;
	ctx->coded_asked = asked_sizeimage(f);
	ctx->coded_sizeimage = vh264_coded_sizeimage(ctx, ctx->coded_asked);
	give_coded(ctx, f, ctx->coded_sizeimage);
	return 0;
}

int vh264_s_fmt_out(struct file *file, void *priv, struct v4l2_format *f)
{
	struct vh264_ctx *ctx = vh264_ctx_of(file);
	u32 width, height, coded = ctx->coded_sizeimage;
	struct vh264_raw raw;

	if (!spoken(f->type))
		return -EINVAL;
	if (vb2_is_busy(v4l2_m2m_get_src_vq(ctx->fh.m2m_ctx)))
		return -EBUSY;
	raw = requested(ctx->dev, f, &width, &height);
	use_raw(ctx, &raw, width, height);
	/* Coded buffers that exist keep their size; a picture too large for them says so. */
	if (vb2_is_busy(v4l2_m2m_get_dst_vq(ctx->fh.m2m_ctx)))
		ctx->coded_sizeimage = coded;
	give_raw(ctx->dev, f, &raw);
	return 0;
}

int vh264_g_selection(struct file *file, void *priv, struct v4l2_selection *s)
{
	struct vh264_ctx *ctx = vh264_ctx_of(file);

	if (s->type != V4L2_BUF_TYPE_VIDEO_OUTPUT)
		return -EINVAL;
	switch (s->target) {
	case V4L2_SEL_TGT_CROP:
		s->r = ctx->crop;
		return 0;
	case V4L2_SEL_TGT_CROP_DEFAULT:
	case V4L2_SEL_TGT_CROP_BOUNDS:
		s->r = (struct v4l2_rect){
			.width = ctx->raw.width, .height = ctx->raw.height,
		};
		return 0;
	default:
		return -EINVAL;
	}
}

int vh264_s_selection(struct file *file, void *priv, struct v4l2_selection *s)
{
	struct vh264_ctx *ctx = vh264_ctx_of(file);
	struct v4l2_rect r = s->r;
	s32 width = ctx->raw.width, height = ctx->raw.height;

	if (s->type != V4L2_BUF_TYPE_VIDEO_OUTPUT || s->target != V4L2_SEL_TGT_CROP)
		return -EINVAL;
	if (vb2_is_streaming(v4l2_m2m_get_src_vq(ctx->fh.m2m_ctx)))
		return -EBUSY;
	/* Chroma has half the samples: everything is even. */
	r.width = clamp_t(u32, r.width, MIN_SIDE, width) & ~1;
	r.height = clamp_t(u32, r.height, MIN_SIDE, height) & ~1;
	r.left = clamp_t(s32, r.left, 0, width - (s32)r.width) & ~1;
	r.top = clamp_t(s32, r.top, 0, height - (s32)r.height) & ~1;
	ctx->crop = r;
	if (!vb2_is_busy(v4l2_m2m_get_dst_vq(ctx->fh.m2m_ctx)))
		ctx->coded_sizeimage = vh264_coded_sizeimage(ctx, ctx->coded_asked);
	s->r = r;
	return 0;
}

int vh264_g_parm(struct file *file, void *priv, struct v4l2_streamparm *p)
{
	struct vh264_ctx *ctx = vh264_ctx_of(file);

	if (!V4L2_TYPE_IS_OUTPUT(p->type) || !spoken(p->type))
		return -EINVAL;
	memset(&p->parm, 0, sizeof(p->parm));
	p->parm.output.capability = V4L2_CAP_TIMEPERFRAME;
	p->parm.output.timeperframe = ctx->interval;
	return 0;
}

int vh264_s_parm(struct file *file, void *priv, struct v4l2_streamparm *p)
{
	struct vh264_ctx *ctx = vh264_ctx_of(file);
	struct v4l2_fract asked = p->parm.output.timeperframe;

	if (!V4L2_TYPE_IS_OUTPUT(p->type) || !spoken(p->type))
		return -EINVAL;
	if (!asked.numerator || !asked.denominator)
		asked = (struct v4l2_fract){ 1, 30 };
	/* From one picture in ten seconds to 240 a second; the SPS has 32 bits for each. */
	while (asked.numerator > 1 << 24 || asked.denominator > 1 << 24) {
		asked.numerator = max(asked.numerator >> 1, 1u);
		asked.denominator = max(asked.denominator >> 1, 1u);
	}
	if (asked.denominator > 240ull * asked.numerator)
		asked = (struct v4l2_fract){ 1, 240 };
	if (asked.numerator > 10ull * asked.denominator)
		asked = (struct v4l2_fract){ 10, 1 };
	ctx->interval = asked;
	return vh264_g_parm(file, priv, p);
}
