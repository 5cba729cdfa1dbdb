// SPDX-License-Identifier: GPL-2.0
/*
 * Misbehaviour on request: writable under /sys/module/vh264/parameters. README.md says
 * what each does and which chip does so by itself.
 */
#include <linux/module.h>
#include <linux/spinlock.h>

#include "vh264.h"

static int values[FAULT_COUNT];
static DEFINE_SPINLOCK(countdown_lock);

static int fault_node = -1;
module_param(fault_node, int, 0644);
MODULE_PARM_DESC(fault_node, "Which node misbehaves, counted from 0; -1: all");

#define FAULT(name, index, text) \
	module_param_named(fault_##name, values[index], int, 0644); \
	MODULE_PARM_DESC(fault_##name, text)

FAULT(qbuf_einval_after, FAULT_QBUF_EINVAL_AFTER,
      "After this many OUTPUT buffers QBUF says EINVAL until both queues are off");
FAULT(stall_after, FAULT_STALL_AFTER,
      "After this many pictures nothing comes back until both queues are off");
FAULT(stall_hard, FAULT_STALL_HARD,
      "After this many pictures nothing comes back until the file is closed");
FAULT(streamon, FAULT_STREAMON, "This many STREAMONs say EINVAL");
FAULT(streamon_block_ms, FAULT_STREAMON_BLOCK_MS, "The next STREAMON takes this long");
FAULT(swallow_every, FAULT_SWALLOW_EVERY, "Every n-th picture gives no coded buffer");
FAULT(error_every, FAULT_ERROR_EVERY, "Every n-th coded buffer is broken and flagged ERROR");
FAULT(late_ms, FAULT_LATE_MS, "Every picture takes this much longer");
FAULT(sfmt_size, FAULT_SFMT_SIZE, "S_FMT answers a size 16 smaller each way");
FAULT(small_capture, FAULT_SMALL_CAPTURE,
      "Coded buffers of this many bytes (1: 4096), too small for an IDR picture");
FAULT(bytesused, FAULT_BYTESUSED, "Coded buffers report 1: 0 bytes, 2: more than they have");
FAULT(sequence, FAULT_SEQUENCE, "Coded buffers count backwards");
FAULT(timestamp, FAULT_TIMESTAMP, "Coded buffers carry 1: time 0, 2: unrelated times");
FAULT(refuse_import, FAULT_REFUSE_IMPORT, "QBUF of a DMABUF says EINVAL");
FAULT(enum, FAULT_ENUM, "S_FMT gives YU12 to whoever wants the enumerated NV12");
FAULT(sizeimage_zero, FAULT_SIZEIMAGE_ZERO, "Formats report a sizeimage of 0");

static bool aims_at(const struct vh264_dev *dev)
{
	int node = READ_ONCE(fault_node);

	return node < 0 || node == dev->index;
}

/* The present value. */
int vh264_fault(const struct vh264_dev *dev, enum vh264_fault fault)
{
	return aims_at(dev) ? max(READ_ONCE(values[fault]), 0) : 0;
}

/* Counts one event; true when it was the last of the countdown. */
bool vh264_fault_due(const struct vh264_dev *dev, enum vh264_fault fault)
{
	bool due = false;

	if (!aims_at(dev))
		return false;
	spin_lock(&countdown_lock);
	if (values[fault] > 0)
		due = --values[fault] == 0;
	spin_unlock(&countdown_lock);
	return due;
}

/* The value, which is 0 from then on. */
int vh264_fault_take(const struct vh264_dev *dev, enum vh264_fault fault)
{
	int value = 0;

	if (!aims_at(dev))
		return 0;
	spin_lock(&countdown_lock);
	swap(value, values[fault]);
	spin_unlock(&countdown_lock);
	return max(value, 0);
}

/* Whether the number, counted from 1, is one of every n. */
bool vh264_fault_nth(const struct vh264_dev *dev, enum vh264_fault fault, u32 number)
{
	int every = vh264_fault(dev, fault);

	return every > 0 && number % every == 0;
}
