/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the driver share: the node, the open handle, the faults. */
#ifndef VH264_H
#define VH264_H

#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/spinlock.h>
#include <linux/videodev2.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <media/media-device.h>
#include <media/v4l2-ctrls.h>
#include <media/v4l2-device.h>
#include <media/v4l2-fh.h>
#include <media/v4l2-ioctl.h>
#include <media/v4l2-mem2mem.h>

#include "vh264_encode.h"

#define VH264_NAME "vh264"

#define MIN_SIDE 16u
#define MAX_WIDTH 1920u
#define MAX_HEIGHT 1088u

/* Module parameters that shape the nodes; see vh264_main.c. */
extern bool multiplanar;
extern unsigned int stride_align;
extern unsigned int height_align;
extern bool crop_to_request;
extern bool all_raw;	/* writable at any time */
extern const struct vb2_mem_ops *buffer_memory;

/* One encoder node. */
struct vh264_dev {
	struct v4l2_device v4l2_dev;
	struct media_device mdev;
	struct video_device vfd;
	struct v4l2_m2m_dev *m2m_dev;
	struct workqueue_struct *worker;
	struct mutex lock;	/* ioctls and both queues of all handles */
	int index;
};

/* The raw format of a handle, as S_FMT answered it. */
struct vh264_raw {
	u32 fourcc;
	u32 width, height;
	u32 stride;		/* of the luma, or of the packed pixels */
	u32 sizeimage;
	u32 colorspace, xfer_func, ycbcr_enc, quantization;
};

/* What controls say. Read without a lock: each is one word. */
struct vh264_settings {
	u32 bitrate;
	u32 gop;		/* pictures from IDR to IDR; 0: only the first */
	bool rate_control;
	bool repeat_headers;
	bool separate_headers;
	bool force_key;		/* taken back when done */
	u32 profile;
	u32 level;
};

/* How a handle misbehaves until it is streamed off or closed. */
struct vh264_mischief {
	bool qbuf_einval;
	bool stalled;
	bool stalled_hard;
};

/* One open file: an encoder of its own. */
struct vh264_ctx {
	struct v4l2_fh fh;
	struct vh264_dev *dev;
	struct v4l2_ctrl_handler ctrls;
	struct work_struct work;

	/* The end of a job against ENCODER_CMD: is this the last picture before the stop? */
	spinlock_t drain_lock;
	wait_queue_head_t abort_wait;
	bool aborting;

	struct vh264_raw raw;
	struct v4l2_rect crop;
	u32 coded_sizeimage;
	u32 coded_asked;	/* by the program; outlives changes of the raw format */
	struct v4l2_fract interval;
	struct vh264_settings settings;
	struct vh264_mischief mischief;

	/* The stream; from STREAMON of OUTPUT to its STREAMOFF. */
	struct vh264_encoder encoder;
	void *memory;
	u8 *scratch;		/* YUYV, converted */
	u32 since_idr;
	u32 pictures;		/* taken from OUTPUT */
	bool headers_sent;	/* once in this stream */
	bool headers_alone;	/* they just went out in a buffer of their own */
	u32 out_sequence;
	u32 cap_sequence;
};

static inline struct vh264_ctx *vh264_ctx_of(struct file *file)
{
	return container_of(file->private_data, struct vh264_ctx, fh);
}

/* vh264_format.c */
void vh264_format_init(struct vh264_ctx *ctx);
u32 vh264_coded_sizeimage(const struct vh264_ctx *ctx, u32 asked);
int vh264_querycap(struct file *file, void *priv, struct v4l2_capability *cap);
int vh264_enum_fmt_cap(struct file *file, void *priv, struct v4l2_fmtdesc *f);
int vh264_enum_fmt_out(struct file *file, void *priv, struct v4l2_fmtdesc *f);
int vh264_enum_framesizes(struct file *file, void *priv, struct v4l2_frmsizeenum *s);
int vh264_g_fmt(struct file *file, void *priv, struct v4l2_format *f);
int vh264_try_fmt_cap(struct file *file, void *priv, struct v4l2_format *f);
int vh264_try_fmt_out(struct file *file, void *priv, struct v4l2_format *f);
int vh264_s_fmt_cap(struct file *file, void *priv, struct v4l2_format *f);
int vh264_s_fmt_out(struct file *file, void *priv, struct v4l2_format *f);
int vh264_g_selection(struct file *file, void *priv, struct v4l2_selection *s);
int vh264_s_selection(struct file *file, void *priv, struct v4l2_selection *s);
int vh264_g_parm(struct file *file, void *priv, struct v4l2_streamparm *p);
int vh264_s_parm(struct file *file, void *priv, struct v4l2_streamparm *p);
struct vh264_sequence vh264_sequence_of(const struct vh264_ctx *ctx);

/* vh264_queue.c */
extern const struct v4l2_m2m_ops vh264_m2m_ops;
int vh264_queue_init(void *priv, struct vb2_queue *out, struct vb2_queue *cap);
void vh264_work(struct work_struct *work);
void vh264_send_eos(struct vh264_ctx *ctx);

/* vh264_ctrls.c */
int vh264_ctrls_init(struct vh264_ctx *ctx);

/* vh264_faults.c: what of each kind is wanted now, for this node. 0 is the truth. */
enum vh264_fault {
	/* Count down to their moment, then clear themselves. */
	FAULT_QBUF_EINVAL_AFTER,
	FAULT_STALL_AFTER,
	FAULT_STALL_HARD,
	FAULT_STREAMON,
	FAULT_STREAMON_BLOCK_MS,
	/* Stay until set to 0. */
	FAULT_SWALLOW_EVERY,
	FAULT_ERROR_EVERY,
	FAULT_LATE_MS,
	FAULT_SFMT_SIZE,
	FAULT_SMALL_CAPTURE,
	FAULT_BYTESUSED,
	FAULT_SEQUENCE,
	FAULT_TIMESTAMP,
	FAULT_REFUSE_IMPORT,
	FAULT_ENUM,
	FAULT_SIZEIMAGE_ZERO,
	FAULT_COUNT,
};

int vh264_fault(const struct vh264_dev *dev, enum vh264_fault fault);
bool vh264_fault_due(const struct vh264_dev *dev, enum vh264_fault fault);
int vh264_fault_take(const struct vh264_dev *dev, enum vh264_fault fault);
bool vh264_fault_nth(const struct vh264_dev *dev, enum vh264_fault fault, u32 number);

#endif
