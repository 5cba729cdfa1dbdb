// SPDX-License-Identifier: GPL-2.0
/* The controls of a handle. */
#include "vh264.h"

static const u8 profile_idc[] = {
	[V4L2_MPEG_VIDEO_H264_PROFILE_BASELINE] = 66,
	[V4L2_MPEG_VIDEO_H264_PROFILE_CONSTRAINED_BASELINE] = 66,
	[V4L2_MPEG_VIDEO_H264_PROFILE_MAIN] = 77,
	[V4L2_MPEG_VIDEO_H264_PROFILE_EXTENDED] = 88,
	[V4L2_MPEG_VIDEO_H264_PROFILE_HIGH] = 100,
};

static const u8 level_idc[] = {
	/* 1b is 11 plus a flag; nothing here needs so little. */
	10, 11, 11, 12, 13, 20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51,
};

static int s_ctrl(struct v4l2_ctrl *ctrl)
{
	struct vh264_ctx *ctx = container_of(ctrl->handler, struct vh264_ctx, ctrls);
	struct vh264_settings *set = &ctx->settings;

	switch (ctrl->id) {
	case V4L2_CID_MPEG_VIDEO_BITRATE:
		set->bitrate = ctrl->val;
		break;
	case V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE:
		set->rate_control = ctrl->val;
		break;
	case V4L2_CID_MPEG_VIDEO_GOP_SIZE:
	case V4L2_CID_MPEG_VIDEO_H264_I_PERIOD:
		set->gop = ctrl->val;
		break;
	case V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME:
		WRITE_ONCE(set->force_key, true);
		break;
	case V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER:
		set->repeat_headers = ctrl->val;
		break;
	case V4L2_CID_MPEG_VIDEO_HEADER_MODE:
		set->separate_headers = ctrl->val == V4L2_MPEG_VIDEO_HEADER_MODE_SEPARATE;
		break;
	case V4L2_CID_MPEG_VIDEO_H264_PROFILE:
		set->profile = ctrl->val;
		break;
	case V4L2_CID_MPEG_VIDEO_H264_LEVEL:
		set->level = level_idc[ctrl->val];
		break;
	case V4L2_CID_MPEG_VIDEO_BITRATE_MODE:
	case V4L2_CID_MPEG_VIDEO_B_FRAMES:
		break;	/* taken and without effect */
	default:
		return -EINVAL;
	}
	return 0;
}

static const struct v4l2_ctrl_ops ops = { .s_ctrl = s_ctrl };

int vh264_ctrls_init(struct vh264_ctx *ctx)
{
	const u32 profiles = BIT(V4L2_MPEG_VIDEO_H264_PROFILE_BASELINE) |
			     BIT(V4L2_MPEG_VIDEO_H264_PROFILE_CONSTRAINED_BASELINE) |
			     BIT(V4L2_MPEG_VIDEO_H264_PROFILE_MAIN) |
			     BIT(V4L2_MPEG_VIDEO_H264_PROFILE_HIGH);
	struct v4l2_ctrl_handler *hdl = &ctx->ctrls;

	v4l2_ctrl_handler_init(hdl, 12);
	/* The range is wide because pictures may be raw: 640x480 at 30 is 110 Mbit/s. */
	v4l2_ctrl_new_std(hdl, &ops, V4L2_CID_MPEG_VIDEO_BITRATE, 25000, 1000000000, 1, 2000000);
	v4l2_ctrl_new_std_menu(hdl, &ops, V4L2_CID_MPEG_VIDEO_BITRATE_MODE,
			       V4L2_MPEG_VIDEO_BITRATE_MODE_CBR, 0,
			       V4L2_MPEG_VIDEO_BITRATE_MODE_VBR);
	v4l2_ctrl_new_std(hdl, &ops, V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE, 0, 1, 1, 0);
	v4l2_ctrl_new_std(hdl, &ops, V4L2_CID_MPEG_VIDEO_GOP_SIZE, 0, 65535, 1, 60);
	v4l2_ctrl_new_std(hdl, &ops, V4L2_CID_MPEG_VIDEO_H264_I_PERIOD, 0, 65535, 1, 60);
	v4l2_ctrl_new_std(hdl, &ops, V4L2_CID_MPEG_VIDEO_B_FRAMES, 0, 0, 1, 0);
	v4l2_ctrl_new_std(hdl, &ops, V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME, 0, 0, 0, 0);
	v4l2_ctrl_new_std(hdl, &ops, V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER, 0, 1, 1, 0);
	v4l2_ctrl_new_std_menu(hdl, &ops, V4L2_CID_MPEG_VIDEO_HEADER_MODE,
			       V4L2_MPEG_VIDEO_HEADER_MODE_JOINED_WITH_1ST_FRAME, 0,
			       V4L2_MPEG_VIDEO_HEADER_MODE_JOINED_WITH_1ST_FRAME);
	v4l2_ctrl_new_std_menu(hdl, &ops, V4L2_CID_MPEG_VIDEO_H264_PROFILE,
			       V4L2_MPEG_VIDEO_H264_PROFILE_HIGH, ~profiles,
			       V4L2_MPEG_VIDEO_H264_PROFILE_CONSTRAINED_BASELINE);
	v4l2_ctrl_new_std_menu(hdl, &ops, V4L2_CID_MPEG_VIDEO_H264_LEVEL,
			       V4L2_MPEG_VIDEO_H264_LEVEL_5_1, 0,
			       V4L2_MPEG_VIDEO_H264_LEVEL_1_0);
	v4l2_ctrl_new_std(hdl, NULL, V4L2_CID_MIN_BUFFERS_FOR_OUTPUT, 1, 1, 1, 1);
	if (hdl->error)
		return hdl->error;
	ctx->fh.ctrl_handler = hdl;
	v4l2_ctrl_handler_setup(hdl);
	/* Setting up presses the button, too. */
	ctx->settings.force_key = false;
	return 0;
}

static void describe_colour(const struct vh264_raw *raw, struct vh264_sequence *s)
{
	/* Colour codes of Rec. ITU-T H.264, tables E-3 to E-5. */
	u32 xfer = raw->xfer_func ?: V4L2_MAP_XFER_FUNC_DEFAULT(raw->colorspace);
	u32 enc = raw->ycbcr_enc ?: V4L2_MAP_YCBCR_ENC_DEFAULT(raw->colorspace);
	u32 range = raw->quantization ?:
		V4L2_MAP_QUANTIZATION_DEFAULT(false, raw->colorspace, enc);

	s->colour = true;
	s->full_range = range == V4L2_QUANTIZATION_FULL_RANGE;
	switch (raw->colorspace) {
	case V4L2_COLORSPACE_SMPTE170M:
		s->primaries = 6;
		break;
	case V4L2_COLORSPACE_SMPTE240M:
		s->primaries = 7;
		break;
	case V4L2_COLORSPACE_470_SYSTEM_M:
		s->primaries = 4;
		break;
	case V4L2_COLORSPACE_470_SYSTEM_BG:
		s->primaries = 5;
		break;
	case V4L2_COLORSPACE_BT2020:
		s->primaries = 9;
		break;
	default:	/* Rec. 709, sRGB, JPEG */
		s->primaries = 1;
		break;
	}
	switch (xfer) {
	case V4L2_XFER_FUNC_709:
		s->transfer = raw->colorspace == V4L2_COLORSPACE_SMPTE170M ? 6 : 1;
		break;
	case V4L2_XFER_FUNC_SRGB:
		s->transfer = 13;
		break;
	case V4L2_XFER_FUNC_SMPTE240M:
		s->transfer = 7;
		break;
	case V4L2_XFER_FUNC_NONE:
		s->transfer = 8;
		break;
	default:
		s->transfer = 2;
		break;
	}
	switch (enc) {
	case V4L2_YCBCR_ENC_601:
		s->matrix = 6;
		break;
	case V4L2_YCBCR_ENC_709:
		s->matrix = 1;
		break;
	case V4L2_YCBCR_ENC_SMPTE240M:
		s->matrix = 7;
		break;
	case V4L2_YCBCR_ENC_BT2020:
		s->matrix = 9;
		break;
	default:
		s->matrix = 2;
		break;
	}
}

/* What the SPS of this handle has to say. */
struct vh264_sequence vh264_sequence_of(const struct vh264_ctx *ctx)
{
	struct vh264_sequence s = {
		.profile_idc = profile_idc[ctx->settings.profile],
		.constrained = ctx->settings.profile ==
			V4L2_MPEG_VIDEO_H264_PROFILE_CONSTRAINED_BASELINE,
		.level_idc = ctx->settings.level,
		.rate_num = ctx->interval.denominator,
		.rate_den = ctx->interval.numerator,
	};

	if (ctx->raw.colorspace != V4L2_COLORSPACE_DEFAULT)
		describe_colour(&ctx->raw, &s);
	return s;
}
