// SPDX-License-Identifier: GPL-2.0
/*
 * A virtual stateful H.264 encoder for tests of V4L2 programs: nodes, handles, ioctls.
 *
 * It behaves as Documentation/userspace-api/media/v4l/dev-encoder.rst has it, or, where
 * a fault is switched on, as some real chip does.
 */
#include <linux/delay.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <media/v4l2-event.h>
#include <media/videobuf2-dma-contig.h>
#include <media/videobuf2-vmalloc.h>

#include "vh264.h"

bool multiplanar;
module_param(multiplanar, bool, 0444);
MODULE_PARM_DESC(multiplanar, "Speak the multi-planar API, with one memory plane");

unsigned int stride_align = 1;
module_param(stride_align, uint, 0444);
MODULE_PARM_DESC(stride_align, "Lines of raw pictures take a multiple of this many bytes");

unsigned int height_align = 1;
module_param(height_align, uint, 0444);
MODULE_PARM_DESC(height_align, "Raw pictures have a multiple of this many lines");

bool crop_to_request;
module_param(crop_to_request, bool, 0444);
MODULE_PARM_DESC(crop_to_request, "S_FMT sets the visible rectangle to the size asked for");

bool all_raw;
module_param_named(raw, all_raw, bool, 0644);
MODULE_PARM_DESC(raw, "Code every macroblock as I_PCM: large pictures, whatever they show");

static char *memory = "vmalloc";
module_param(memory, charp, 0444);
MODULE_PARM_DESC(memory, "Where buffers come from: vmalloc, or contig as with most chips");

const struct vb2_mem_ops *buffer_memory;

#define MAX_DEVICES 8u

static unsigned int devices = 1;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "Number of encoder nodes, at most 8");

static char *card = VH264_NAME;
module_param(card, charp, 0444);
MODULE_PARM_DESC(card, "Name of the nodes; -000, -001, ... is appended");

static struct platform_device *pdevs[MAX_DEVICES];

/* ---- ioctls that may misbehave ---- */

static int check_import(struct vh264_ctx *ctx, const struct v4l2_buffer *buf)
{
	bool refused = buf->memory == V4L2_MEMORY_DMABUF && V4L2_TYPE_IS_OUTPUT(buf->type) &&
		       vh264_fault(ctx->dev, FAULT_REFUSE_IMPORT);

	return refused ? -EINVAL : 0;
}

static int prepare_buf(struct file *file, void *priv, struct v4l2_buffer *buf)
{
	int ret = check_import(vh264_ctx_of(file), buf);

	return ret ?: v4l2_m2m_ioctl_prepare_buf(file, priv, buf);
}

static int qbuf(struct file *file, void *priv, struct v4l2_buffer *buf)
{
	struct vh264_ctx *ctx = vh264_ctx_of(file);
	bool output = V4L2_TYPE_IS_OUTPUT(buf->type);
	int ret = check_import(ctx, buf);

	if (ret)
		return ret;
	if (output && ctx->mischief.qbuf_einval)
		return -EINVAL;
	ret = v4l2_m2m_ioctl_qbuf(file, priv, buf);
	if (!ret && output && vh264_fault_due(ctx->dev, FAULT_QBUF_EINVAL_AFTER))
		ctx->mischief.qbuf_einval = true;
	return ret;
}

/* Sleeps without the lock, so that other handles and threads go on; SIGKILL ends it. */
static int block(struct vh264_ctx *ctx, unsigned int ms)
{
	unsigned long left = msecs_to_jiffies(ms);

	mutex_unlock(&ctx->dev->lock);
	while (left && !fatal_signal_pending(current))
		left = schedule_timeout_killable(left);
	mutex_lock(&ctx->dev->lock);
	return fatal_signal_pending(current) ? -EINTR : 0;
}

static int streamon(struct file *file, void *priv, enum v4l2_buf_type type)
{
	struct vh264_ctx *ctx = vh264_ctx_of(file);
	int value = vh264_fault(ctx->dev, FAULT_STREAMON);
	int ret;

	if (value) {
		vh264_fault_due(ctx->dev, FAULT_STREAMON);
		return -EINVAL;
	}
	value = vh264_fault_take(ctx->dev, FAULT_STREAMON_BLOCK_MS);
	if (value) {
		ret = block(ctx, value);
		if (ret)
			return ret;
	}
	return v4l2_m2m_ioctl_streamon(file, priv, type);
}

/*
 * When all pictures are done, v4l2-mem2mem ends the drain by itself with the next coded
 * buffer, and leaves that buffer's number as it was.
 */
static void number_empty_last(struct vh264_ctx *ctx)
{
	struct v4l2_m2m_ctx *m2m = ctx->fh.m2m_ctx;
	struct vb2_v4l2_buffer *dst = v4l2_m2m_next_dst_buf(m2m);

	if (!dst || v4l2_m2m_next_src_buf(m2m) || m2m->is_draining || v4l2_m2m_has_stopped(m2m))
		return;
	dst->field = V4L2_FIELD_NONE;
	dst->sequence = ctx->cap_sequence++;
}

static int encoder_cmd(struct file *file, void *priv, struct v4l2_encoder_cmd *cmd)
{
	struct vh264_ctx *ctx = vh264_ctx_of(file);
	struct v4l2_m2m_ctx *m2m = ctx->fh.m2m_ctx;
	bool had_stopped = v4l2_m2m_has_stopped(m2m);
	int ret;

	ret = v4l2_m2m_ioctl_try_encoder_cmd(file, priv, cmd);
	if (ret)
		return ret;
	/* Only a running stream drains; for others it is no error. */
	if (!vb2_is_streaming(v4l2_m2m_get_src_vq(m2m)) ||
	    !vb2_is_streaming(v4l2_m2m_get_dst_vq(m2m)))
		return 0;
	spin_lock(&ctx->drain_lock);
	if (cmd->cmd == V4L2_ENC_CMD_STOP)
		number_empty_last(ctx);
	ret = v4l2_m2m_ioctl_encoder_cmd(file, priv, cmd);
	spin_unlock(&ctx->drain_lock);
	if (ret)
		return ret;
	if (cmd->cmd == V4L2_ENC_CMD_STOP && !had_stopped && v4l2_m2m_has_stopped(m2m))
		vh264_send_eos(ctx);
	if (cmd->cmd == V4L2_ENC_CMD_START && had_stopped) {
		vb2_clear_last_buffer_dequeued(v4l2_m2m_get_dst_vq(m2m));
		/* What was queued while the stream stood still. */
		v4l2_m2m_try_schedule(m2m);
	}
	return 0;
}

static int subscribe_event(struct v4l2_fh *fh, const struct v4l2_event_subscription *sub)
{
	if (sub->type == V4L2_EVENT_EOS)
		return v4l2_event_subscribe(fh, sub, 2, NULL);
	return v4l2_ctrl_subscribe_event(fh, sub);
}

static const struct v4l2_ioctl_ops ioctl_ops = {
	.vidioc_querycap = vh264_querycap,

	.vidioc_enum_fmt_vid_cap = vh264_enum_fmt_cap,
	.vidioc_g_fmt_vid_cap = vh264_g_fmt,
	.vidioc_try_fmt_vid_cap = vh264_try_fmt_cap,
	.vidioc_s_fmt_vid_cap = vh264_s_fmt_cap,
	.vidioc_g_fmt_vid_cap_mplane = vh264_g_fmt,
	.vidioc_try_fmt_vid_cap_mplane = vh264_try_fmt_cap,
	.vidioc_s_fmt_vid_cap_mplane = vh264_s_fmt_cap,

	.vidioc_enum_fmt_vid_out = vh264_enum_fmt_out,
	.vidioc_g_fmt_vid_out = vh264_g_fmt,
	.vidioc_try_fmt_vid_out = vh264_try_fmt_out,
	.vidioc_s_fmt_vid_out = vh264_s_fmt_out,
	.vidioc_g_fmt_vid_out_mplane = vh264_g_fmt,
	.vidioc_try_fmt_vid_out_mplane = vh264_try_fmt_out,
	.vidioc_s_fmt_vid_out_mplane = vh264_s_fmt_out,

	.vidioc_enum_framesizes = vh264_enum_framesizes,
	.vidioc_g_selection = vh264_g_selection,
	.vidioc_s_selection = vh264_s_selection,
	.vidioc_g_parm = vh264_g_parm,
	.vidioc_s_parm = vh264_s_parm,

	.vidioc_reqbufs = v4l2_m2m_ioctl_reqbufs,
	.vidioc_create_bufs = v4l2_m2m_ioctl_create_bufs,
	.vidioc_remove_bufs = v4l2_m2m_ioctl_remove_bufs,
	.vidioc_querybuf = v4l2_m2m_ioctl_querybuf,
	.vidioc_prepare_buf = prepare_buf,
	.vidioc_qbuf = qbuf,
	.vidioc_dqbuf = v4l2_m2m_ioctl_dqbuf,
	.vidioc_expbuf = v4l2_m2m_ioctl_expbuf,
	.vidioc_streamon = streamon,
	.vidioc_streamoff = v4l2_m2m_ioctl_streamoff,

	.vidioc_try_encoder_cmd = v4l2_m2m_ioctl_try_encoder_cmd,
	.vidioc_encoder_cmd = encoder_cmd,

	.vidioc_subscribe_event = subscribe_event,
	.vidioc_unsubscribe_event = v4l2_event_unsubscribe,
	.vidioc_log_status = v4l2_ctrl_log_status,
};

/* ---- handles ---- */

static int open(struct file *file)
{
	struct vh264_dev *dev = video_drvdata(file);
	struct vh264_ctx *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL);
	int ret;

	if (!ctx)
		return -ENOMEM;
	ctx->dev = dev;
	INIT_WORK(&ctx->work, vh264_work);
	spin_lock_init(&ctx->drain_lock);
	init_waitqueue_head(&ctx->abort_wait);
	v4l2_fh_init(&ctx->fh, &dev->vfd);
	ret = vh264_ctrls_init(ctx);
	if (ret)
		goto free;
	vh264_format_init(ctx);
	ctx->fh.m2m_ctx = v4l2_m2m_ctx_init(dev->m2m_dev, ctx, vh264_queue_init);
	if (IS_ERR(ctx->fh.m2m_ctx)) {
		ret = PTR_ERR(ctx->fh.m2m_ctx);
		goto free;
	}
	file->private_data = &ctx->fh;
	v4l2_fh_add(&ctx->fh);
	return 0;
free:
	v4l2_ctrl_handler_free(&ctx->ctrls);
	v4l2_fh_exit(&ctx->fh);
	kfree(ctx);
	return ret;
}

static int release(struct file *file)
{
	struct vh264_ctx *ctx = vh264_ctx_of(file);
	struct v4l2_m2m_ctx *m2m = ctx->fh.m2m_ctx;

	mutex_lock(&ctx->dev->lock);
	v4l2_m2m_streamoff(file, m2m, v4l2_m2m_get_dst_vq(m2m)->type);
	v4l2_m2m_streamoff(file, m2m, v4l2_m2m_get_src_vq(m2m)->type);
	/* The job is over, but its last lines may still be looking at the context. */
	cancel_work_sync(&ctx->work);
	v4l2_m2m_ctx_release(m2m);
	mutex_unlock(&ctx->dev->lock);
	v4l2_fh_del(&ctx->fh);
	v4l2_fh_exit(&ctx->fh);
	v4l2_ctrl_handler_free(&ctx->ctrls);
	kfree(ctx);
	return 0;
}

static const struct v4l2_file_operations file_ops = {
	.owner = THIS_MODULE,
	.open = open,
	.release = release,
	.poll = v4l2_m2m_fop_poll,
	.unlocked_ioctl = video_ioctl2,
	.mmap = v4l2_m2m_fop_mmap,
};

/* ---- nodes ---- */

static void free_dev(struct v4l2_device *v4l2_dev)
{
	struct vh264_dev *dev = container_of(v4l2_dev, struct vh264_dev, v4l2_dev);

	v4l2_device_unregister(&dev->v4l2_dev);
	v4l2_m2m_release(dev->m2m_dev);
	destroy_workqueue(dev->worker);
	media_device_cleanup(&dev->mdev);
	kfree(dev);
}

static void init_node(struct vh264_dev *dev)
{
	struct video_device *vfd = &dev->vfd;

	snprintf(vfd->name, sizeof(vfd->name), "%.20s-%03d", card, dev->index);
	vfd->vfl_dir = VFL_DIR_M2M;
	vfd->fops = &file_ops;
	vfd->ioctl_ops = &ioctl_ops;
	vfd->lock = &dev->lock;
	vfd->v4l2_dev = &dev->v4l2_dev;
	vfd->release = video_device_release_empty;
	vfd->device_caps = V4L2_CAP_STREAMING |
		(multiplanar ? V4L2_CAP_VIDEO_M2M_MPLANE : V4L2_CAP_VIDEO_M2M);
	video_set_drvdata(vfd, dev);
}

/* The media device tells programs that this is an encoder. */
static int publish(struct vh264_dev *dev)
{
	int ret = video_register_device(&dev->vfd, VFL_TYPE_VIDEO, -1);

	if (ret)
		return ret;
	ret = v4l2_m2m_register_media_controller(dev->m2m_dev, &dev->vfd,
						 MEDIA_ENT_F_PROC_VIDEO_ENCODER);
	if (ret)
		goto unregister;
	ret = media_device_register(&dev->mdev);
	if (ret)
		goto controller;
	return 0;
controller:
	v4l2_m2m_unregister_media_controller(dev->m2m_dev);
unregister:
	video_unregister_device(&dev->vfd);
	return ret;
}

static int probe(struct platform_device *pdev)
{
	struct vh264_dev *dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	int ret;

	if (!dev)
		return -ENOMEM;
	dev->index = pdev->id;
	mutex_init(&dev->lock);
	/* Buffers of others are contiguous however long they are. */
	vb2_dma_contig_set_max_seg_size(&pdev->dev, DMA_BIT_MASK(32));
	ret = v4l2_device_register(&pdev->dev, &dev->v4l2_dev);
	if (ret)
		goto free;
	dev->mdev.dev = &pdev->dev;
	strscpy(dev->mdev.model, VH264_NAME, sizeof(dev->mdev.model));
	snprintf(dev->mdev.bus_info, sizeof(dev->mdev.bus_info), "platform:%s",
		 dev_name(&pdev->dev));
	media_device_init(&dev->mdev);
	dev->v4l2_dev.mdev = &dev->mdev;
	ret = -ENOMEM;
	dev->worker = alloc_workqueue("vh264-%d", WQ_UNBOUND, 0, dev->index);
	if (!dev->worker)
		goto cleanup;
	dev->m2m_dev = v4l2_m2m_init(&vh264_m2m_ops);
	ret = PTR_ERR_OR_ZERO(dev->m2m_dev);
	if (ret)
		goto destroy;
	init_node(dev);
	ret = publish(dev);
	if (ret)
		goto release;
	/* From here on the last one to let go frees it. */
	dev->v4l2_dev.release = free_dev;
	platform_set_drvdata(pdev, dev);
	return 0;
release:
	v4l2_m2m_release(dev->m2m_dev);
destroy:
	destroy_workqueue(dev->worker);
cleanup:
	media_device_cleanup(&dev->mdev);
	v4l2_device_unregister(&dev->v4l2_dev);
free:
	kfree(dev);
	return ret;
}

static void remove(struct platform_device *pdev)
{
	struct vh264_dev *dev = platform_get_drvdata(pdev);

	media_device_unregister(&dev->mdev);
	v4l2_m2m_unregister_media_controller(dev->m2m_dev);
	video_unregister_device(&dev->vfd);
	v4l2_device_put(&dev->v4l2_dev);
}

static struct platform_driver driver = {
	.probe = probe,
	.remove_new = remove,
	.driver = { .name = VH264_NAME },
};

static void __exit vh264_exit(void)
{
	for (int i = 0; i < MAX_DEVICES; i++)
		platform_device_unregister(pdevs[i]);
	platform_driver_unregister(&driver);
}

static int __init vh264_init(void)
{
	int ret;

	if (!strcmp(memory, "vmalloc"))
		buffer_memory = &vb2_vmalloc_memops;
	else if (!strcmp(memory, "contig"))
		buffer_memory = &vb2_dma_contig_memops;
	else
		return -EINVAL;
	if (!is_power_of_2(stride_align) || !is_power_of_2(height_align) ||
	    stride_align > 4096 || height_align > 64 || !devices || devices > MAX_DEVICES)
		return -EINVAL;
	ret = platform_driver_register(&driver);
	if (ret)
		return ret;
	for (unsigned int i = 0; i < devices; i++) {
		pdevs[i] = platform_device_register_simple(VH264_NAME, i, NULL, 0);
		if (IS_ERR(pdevs[i])) {
			ret = PTR_ERR(pdevs[i]);
			pdevs[i] = NULL;
			vh264_exit();
			return ret;
		}
	}
	return 0;
}

module_init(vh264_init);
module_exit(vh264_exit);

MODULE_DESCRIPTION("Virtual stateful H.264 encoder");
MODULE_AUTHOR("The camera-service authors");
MODULE_LICENSE("GPL");
