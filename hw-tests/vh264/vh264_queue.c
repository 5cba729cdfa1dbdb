// SPDX-License-Identifier: GPL-2.0
/* The two buffer queues and the work between them. */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <media/v4l2-event.h>

#include "vh264.h"

static u32 queue_sizeimage(const struct vh264_ctx *ctx, const struct vb2_queue *q)
{
	return V4L2_TYPE_IS_OUTPUT(q->type) ? ctx->raw.sizeimage : ctx->coded_sizeimage;
}

static int queue_setup(struct vb2_queue *q, unsigned int *count, unsigned int *planes,
		       unsigned int sizes[], struct device *devs[])
{
	u32 size = queue_sizeimage(vb2_get_drv_priv(q), q);

	if (*planes)	/* CREATE_BUFS names a size */
		return *planes != 1 || sizes[0] < size ? -EINVAL : 0;
	*planes = 1;
	sizes[0] = size;
	return 0;
}

static int buf_out_validate(struct vb2_buffer *vb)
{
	struct vb2_v4l2_buffer *vbuf = to_vb2_v4l2_buffer(vb);

	if (vbuf->field == V4L2_FIELD_ANY)
		vbuf->field = V4L2_FIELD_NONE;
	return vbuf->field == V4L2_FIELD_NONE ? 0 : -EINVAL;
}

static int buf_prepare(struct vb2_buffer *vb)
{
	struct vh264_ctx *ctx = vb2_get_drv_priv(vb->vb2_queue);
	u32 offset = V4L2_TYPE_IS_OUTPUT(vb->type) ? vb->planes[0].data_offset : 0;

	if (vb2_plane_size(vb, 0) < (u64)offset + queue_sizeimage(ctx, vb->vb2_queue))
		return -EINVAL;
	if (V4L2_TYPE_IS_CAPTURE(vb->type))
		vb2_set_plane_payload(vb, 0, 0);
	return 0;
}

void vh264_send_eos(struct vh264_ctx *ctx)
{
	static const struct v4l2_event eos = { .type = V4L2_EVENT_EOS };

	v4l2_event_queue_fh(&ctx->fh, &eos);
}

static void buf_queue(struct vb2_buffer *vb)
{
	struct vb2_v4l2_buffer *vbuf = to_vb2_v4l2_buffer(vb);
	struct vh264_ctx *ctx = vb2_get_drv_priv(vb->vb2_queue);

	if (V4L2_TYPE_IS_CAPTURE(vb->type) && vb2_is_streaming(vb->vb2_queue) &&
	    v4l2_m2m_dst_buf_is_last(ctx->fh.m2m_ctx)) {
		/* The drain ended while there was no buffer to say so. */
		vbuf->field = V4L2_FIELD_NONE;
		vbuf->sequence = ctx->cap_sequence++;
		v4l2_m2m_last_buffer_done(ctx->fh.m2m_ctx, vbuf);
		vh264_send_eos(ctx);
		return;
	}
	v4l2_m2m_buf_queue(ctx->fh.m2m_ctx, vbuf);
}

static void return_all(struct vb2_queue *q, enum vb2_buffer_state state)
{
	struct vh264_ctx *ctx = vb2_get_drv_priv(q);
	struct vb2_v4l2_buffer *vbuf;

	while ((vbuf = V4L2_TYPE_IS_OUTPUT(q->type) ?
			v4l2_m2m_src_buf_remove(ctx->fh.m2m_ctx) :
			v4l2_m2m_dst_buf_remove(ctx->fh.m2m_ctx)))
		v4l2_m2m_buf_done(vbuf, state);
}

static void free_stream(struct vh264_ctx *ctx)
{
	kvfree(ctx->memory);
	kvfree(ctx->scratch);
	ctx->memory = NULL;
	ctx->scratch = NULL;
}

static int start_output(struct vh264_ctx *ctx)
{
	u32 width = ctx->crop.width, height = ctx->crop.height;

	free_stream(ctx);
	ctx->memory = kvmalloc(vh264_memory(width, height), GFP_KERNEL);
	if (ctx->raw.fourcc == V4L2_PIX_FMT_YUYV)
		ctx->scratch = kvmalloc(width * height * 3 / 2, GFP_KERNEL);
	if (!ctx->memory || (ctx->raw.fourcc == V4L2_PIX_FMT_YUYV && !ctx->scratch)) {
		free_stream(ctx);
		return -ENOMEM;
	}
	vh264_start(&ctx->encoder, ctx->memory, width, height);
	ctx->out_sequence = 0;
	return 0;
}

static int start_streaming(struct vb2_queue *q, unsigned int count)
{
	struct vh264_ctx *ctx = vb2_get_drv_priv(q);
	struct v4l2_m2m_ctx *m2m = ctx->fh.m2m_ctx;
	int ret = 0;

	v4l2_m2m_update_start_streaming_state(m2m, q);
	/* A stream that starts on either side stands by itself: headers, then IDR. */
	ctx->encoder.has_reference = false;
	ctx->headers_sent = false;
	ctx->headers_alone = false;
	if (V4L2_TYPE_IS_CAPTURE(q->type)) {
		ctx->cap_sequence = 0;
		return 0;
	}
	ret = start_output(ctx);
	if (ret) {
		return_all(q, VB2_BUF_STATE_QUEUED);
		return ret;
	}
	/* After a drain, STREAMON of OUTPUT goes on like ENC_CMD_START. */
	if (v4l2_m2m_has_stopped(m2m)) {
		v4l2_m2m_clear_state(m2m);
		vb2_clear_last_buffer_dequeued(v4l2_m2m_get_dst_vq(m2m));
	}
	return 0;
}

static void stop_streaming(struct vb2_queue *q)
{
	struct vh264_ctx *ctx = vb2_get_drv_priv(q);
	struct v4l2_m2m_ctx *m2m = ctx->fh.m2m_ctx;
	bool output = V4L2_TYPE_IS_OUTPUT(q->type), had_stopped = v4l2_m2m_has_stopped(m2m);
	struct vb2_queue *other = output ? v4l2_m2m_get_dst_vq(m2m) : v4l2_m2m_get_src_vq(m2m);

	return_all(q, VB2_BUF_STATE_ERROR);
	v4l2_m2m_update_stop_streaming_state(m2m, q);
	if (output) {
		if (!had_stopped && v4l2_m2m_has_stopped(m2m))
			vh264_send_eos(ctx);
		free_stream(ctx);
	}
	if (!vb2_is_streaming(other)) {
		ctx->mischief.qbuf_einval = false;
		ctx->mischief.stalled = false;
	}
}

static const struct vb2_ops queue_ops = {
	.queue_setup = queue_setup,
	.buf_out_validate = buf_out_validate,
	.buf_prepare = buf_prepare,
	.buf_queue = buf_queue,
	.start_streaming = start_streaming,
	.stop_streaming = stop_streaming,
	.wait_prepare = vb2_ops_wait_prepare,
	.wait_finish = vb2_ops_wait_finish,
};

static int init_one(struct vh264_ctx *ctx, struct vb2_queue *q, u32 type, u32 io_modes)
{
	q->type = type;
	q->io_modes = io_modes;
	q->drv_priv = ctx;
	q->dev = ctx->dev->v4l2_dev.dev;
	q->buf_struct_size = sizeof(struct v4l2_m2m_buffer);
	q->ops = &queue_ops;
	q->mem_ops = buffer_memory;
	q->timestamp_flags = V4L2_BUF_FLAG_TIMESTAMP_COPY;
	q->lock = &ctx->dev->lock;
	return vb2_queue_init(q);
}

int vh264_queue_init(void *priv, struct vb2_queue *out, struct vb2_queue *cap)
{
	struct vh264_ctx *ctx = priv;
	int ret;

	ret = init_one(ctx, out, multiplanar ? V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE :
		       V4L2_BUF_TYPE_VIDEO_OUTPUT, VB2_MMAP | VB2_DMABUF);
	if (ret)
		return ret;
	return init_one(ctx, cap, multiplanar ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE :
			V4L2_BUF_TYPE_VIDEO_CAPTURE, VB2_MMAP | VB2_DMABUF);
}

/* ---- one picture ---- */

/* The visible rectangle of an OUTPUT buffer, as 4:2:0. */
static struct vh264_picture picture_of(struct vh264_ctx *ctx, const u8 *data)
{
	const struct vh264_raw *raw = &ctx->raw;
	const struct v4l2_rect *crop = &ctx->crop;
	const u8 *chroma = data + raw->stride * raw->height;
	struct vh264_picture p = {
		.luma = data + crop->top * raw->stride + crop->left,
		.stride = raw->stride,
	};
	u32 half = raw->stride / 2;

	switch (raw->fourcc) {
	case V4L2_PIX_FMT_YUV420:
		p.chroma_stride = half;
		p.chroma[0] = chroma + crop->top / 2 * half + crop->left / 2;
		p.chroma[1] = p.chroma[0] + half * (raw->height / 2);
		break;
	case V4L2_PIX_FMT_YUYV:
		vh264_from_yuyv(data + crop->top * raw->stride + crop->left * 2, raw->stride,
				crop->width, crop->height, ctx->scratch);
		p.luma = ctx->scratch;
		p.stride = crop->width;
		p.chroma[0] = ctx->scratch + crop->width * crop->height;
		p.chroma_stride = crop->width;
		p.interleaved = true;
		break;
	default:
		p.chroma[0] = chroma + crop->top / 2 * raw->stride + crop->left;
		p.chroma_stride = raw->stride;
		p.interleaved = true;
		break;
	}
	return p;
}

/* Bytes a P picture may spend; 0: as many as it wants. */
static u32 budget(const struct vh264_ctx *ctx)
{
	if (!ctx->settings.rate_control)
		return 0;
	return max_t(u64, 1, div_u64((u64)ctx->settings.bitrate * ctx->interval.numerator,
				     8 * ctx->interval.denominator));
}

static bool idr_due(struct vh264_ctx *ctx)
{
	const struct vh264_settings *set = &ctx->settings;

	return !ctx->encoder.has_reference || READ_ONCE(set->force_key) ||
	       (set->gop && ctx->since_idr >= set->gop);
}

/* What came of a picture. */
struct coded {
	size_t bytes;	/* 0: it did not fit */
	bool idr;
	bool only_headers;	/* the picture itself comes with the next buffer */
};

static struct coded encode(struct vh264_ctx *ctx, struct vb2_v4l2_buffer *src,
			   struct vb2_v4l2_buffer *dst)
{
	const u8 *data = vb2_plane_vaddr(&src->vb2_buf, 0);
	u8 *out = vb2_plane_vaddr(&dst->vb2_buf, 0);
	size_t room = vb2_plane_size(&dst->vb2_buf, 0), headers = 0;
	struct coded coded = { .idr = idr_due(ctx) };
	struct vh264_picture picture;
	bool wants_headers;

	if (!data || !out)
		return coded;
	wants_headers = coded.idr && !ctx->headers_alone &&
			(!ctx->headers_sent || ctx->settings.repeat_headers);
	if (wants_headers) {
		struct vh264_sequence s = vh264_sequence_of(ctx);

		headers = vh264_headers(&ctx->encoder, &s, out, room);
		if (!headers)
			return coded;
		if (ctx->settings.separate_headers) {
			ctx->headers_alone = true;
			ctx->headers_sent = true;
			coded.only_headers = true;
			coded.bytes = headers;
			return coded;
		}
	}
	ctx->encoder.raw = READ_ONCE(all_raw);
	picture = picture_of(ctx, data + src->vb2_buf.planes[0].data_offset);
	coded.bytes = vh264_encode(&ctx->encoder, &picture, coded.idr, budget(ctx),
				   out + headers, room - headers);
	if (!coded.bytes)
		return coded;
	coded.bytes += headers;
	if (coded.idr) {
		WRITE_ONCE(ctx->settings.force_key, false);
		ctx->since_idr = 0;
		ctx->headers_sent = true;
		ctx->headers_alone = false;
	}
	ctx->since_idr++;
	return coded;
}

/* Fills in what a coded buffer says about itself; lies where it was told to. */
static void describe(struct vh264_ctx *ctx, struct vb2_v4l2_buffer *dst, struct coded coded)
{
	struct vb2_buffer *vb = &dst->vb2_buf;

	dst->field = V4L2_FIELD_NONE;
	dst->sequence = ctx->cap_sequence++;
	if (vh264_fault(ctx->dev, FAULT_SEQUENCE))
		dst->sequence = U32_MAX / 2 - dst->sequence;
	dst->flags &= ~(V4L2_BUF_FLAG_KEYFRAME | V4L2_BUF_FLAG_PFRAME | V4L2_BUF_FLAG_BFRAME);
	if (!coded.only_headers && coded.bytes)
		dst->flags |= coded.idr ? V4L2_BUF_FLAG_KEYFRAME : V4L2_BUF_FLAG_PFRAME;
	vb2_set_plane_payload(vb, 0, coded.bytes);
	switch (vh264_fault(ctx->dev, FAULT_BYTESUSED)) {
	case 0:
		break;
	case 1:
		vb2_set_plane_payload(vb, 0, 0);
		break;
	default:
		/* Past the helper, which would cut it down. */
		vb->planes[0].bytesused = vb2_plane_size(vb, 0) + 4096;
		break;
	}
	switch (vh264_fault(ctx->dev, FAULT_TIMESTAMP)) {
	case 0:
		break;
	case 1:
		vb->timestamp = 0;
		break;
	default:
		vb->timestamp = ktime_get_real_ns();
		break;
	}
}

static bool is_late(struct vh264_ctx *ctx)
{
	int ms = vh264_fault(ctx->dev, FAULT_LATE_MS);

	if (ms)
		wait_event_timeout(ctx->abort_wait, READ_ONCE(ctx->aborting),
				   msecs_to_jiffies(ms));
	return READ_ONCE(ctx->aborting);
}

/* After the n-th picture the encoder falls silent. */
static void count_for_stalls(struct vh264_ctx *ctx)
{
	if (vh264_fault_due(ctx->dev, FAULT_STALL_AFTER))
		ctx->mischief.stalled = true;
	if (vh264_fault_due(ctx->dev, FAULT_STALL_HARD))
		ctx->mischief.stalled_hard = true;
}

static void run_job(struct vh264_ctx *ctx)
{
	struct v4l2_m2m_ctx *m2m = ctx->fh.m2m_ctx;
	struct vb2_v4l2_buffer *src = v4l2_m2m_next_src_buf(m2m);
	struct vb2_v4l2_buffer *dst = v4l2_m2m_next_dst_buf(m2m);
	enum vb2_buffer_state state = VB2_BUF_STATE_DONE;
	bool swallowed = vh264_fault_nth(ctx->dev, FAULT_SWALLOW_EVERY, ctx->pictures + 1);
	struct coded coded = {};
	bool last;

	if (!swallowed)
		coded = encode(ctx, src, dst);
	if (coded.only_headers) {
		v4l2_m2m_dst_buf_remove(m2m);
		v4l2_m2m_buf_copy_metadata(src, dst, false);
		describe(ctx, dst, coded);
		v4l2_m2m_buf_done(dst, VB2_BUF_STATE_DONE);
		return;
	}
	ctx->pictures++;
	if (!swallowed && !coded.bytes) {
		state = VB2_BUF_STATE_ERROR;
	} else if (!swallowed && vh264_fault_nth(ctx->dev, FAULT_ERROR_EVERY, ctx->pictures)) {
		coded.bytes /= 2;
		state = VB2_BUF_STATE_ERROR;
	}
	/* Until the source is off the queue, a stop command may name it the last one. */
	spin_lock(&ctx->drain_lock);
	last = v4l2_m2m_is_last_draining_src_buf(m2m, src);
	v4l2_m2m_src_buf_remove(m2m);
	if (last)
		v4l2_m2m_mark_stopped(m2m);
	spin_unlock(&ctx->drain_lock);

	if (!swallowed || last) {
		v4l2_m2m_dst_buf_remove(m2m);
		v4l2_m2m_buf_copy_metadata(src, dst, false);
		describe(ctx, dst, coded);
		if (last)
			dst->flags |= V4L2_BUF_FLAG_LAST;
	}
	src->sequence = ctx->out_sequence++;
	v4l2_m2m_buf_done(src, VB2_BUF_STATE_DONE);
	if (last)
		vh264_send_eos(ctx);
	if (!swallowed || last)
		v4l2_m2m_buf_done(dst, state);
	count_for_stalls(ctx);
}

void vh264_work(struct work_struct *work)
{
	struct vh264_ctx *ctx = container_of(work, struct vh264_ctx, work);

	if (!is_late(ctx))
		run_job(ctx);
	WRITE_ONCE(ctx->aborting, false);
	v4l2_m2m_job_finish(ctx->dev->m2m_dev, ctx->fh.m2m_ctx);
}

static void device_run(void *priv)
{
	struct vh264_ctx *ctx = priv;

	queue_work(ctx->dev->worker, &ctx->work);
}

static int job_ready(void *priv)
{
	struct vh264_ctx *ctx = priv;

	return !ctx->mischief.stalled && !ctx->mischief.stalled_hard;
}

static void job_abort(void *priv)
{
	struct vh264_ctx *ctx = priv;

	WRITE_ONCE(ctx->aborting, true);
	wake_up(&ctx->abort_wait);
}

const struct v4l2_m2m_ops vh264_m2m_ops = {
	.device_run = device_run,
	.job_ready = job_ready,
	.job_abort = job_abort,
};
