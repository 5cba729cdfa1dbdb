// SPDX-License-Identifier: GPL-2.0
/*
 * Feeds a V4L2 stateful encoder and tells, line by line, what it says. For tests.
 *
 *   v4l2-encode /dev/video1 --from in.yuv --size 640x480 --pixel NV12 --to out.h264
 *   v4l2-encode /dev/video1 --camera /dev/video0 --size 640x480 --frames 100 --to out.h264
 *
 * With --from, frames are copied into OUTPUT buffers of the encoder, in the layout S_FMT
 * answered. With --camera, the camera's buffers are exported and go to the encoder as
 * DMABUF, without a copy. Lines on stdout:
 *
 *   raw NV12 640x480 stride 640 size 460800      the answered format
 *   coded 640x480 size 720896
 *   frame 0 bytes 463253 sequence 0 flags K time 0.033333
 *   error QBUF EINVAL
 *   event EOS
 *   end frames 100 seconds 3.334 captured 101
 *
 * Flags: K key, P predicted, E error, L last. Ends with 0 if the drain came to its end,
 * with 1 after an error, with 3 if the encoder fell silent.
 *
 * --rounds 2 starts again after the drain and feeds the file once more. --then WxH stops,
 * frees all buffers, sets that size on the same handle and feeds the file's bytes anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/videodev2.h>

#define MAX_BUFFERS 32

struct buffer {
	void *data;
	size_t length;
	bool queued;
};

/* A queue of a node, in either API. */
struct queue {
	const char *name;
	int fd;
	bool multi;
	uint32_t type;
	uint32_t memory;
	uint32_t count;
	struct buffer buffers[MAX_BUFFERS];
};

struct options {
	const char *encoder, *camera, *from, *to;
	uint32_t width, height, fourcc;
	int frames, fps, buffers, key_at, timeout_ms, restarts, rounds;
	uint32_t then_width, then_height;
	bool drain, crop;
	uint32_t control_ids[16];
	int control_values[16], controls;
};

static struct queue out, cap, cam;
static int camera_fds[MAX_BUFFERS];
static FILE *sink;
static int fed, coded, captured;

static const char *errno_name(int number)
{
	switch (number) {
	case EINVAL: return "EINVAL";
	case EFAULT: return "EFAULT";
	case EBUSY: return "EBUSY";
	case EIO: return "EIO";
	case EPIPE: return "EPIPE";
	case ENODEV: return "ENODEV";
	case ENOTTY: return "ENOTTY";
	case EAGAIN: return "EAGAIN";
	case EINTR: return "EINTR";
	case ENOMEM: return "ENOMEM";
	default: return strerror(number);
	}
}

static void fail(const char *what)
{
	printf("error %s %s\n", what, errno_name(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* ---- both APIs alike ---- */

struct layout {
	uint32_t width, height, fourcc, stride, size;
};

static struct layout set_format(struct queue *q, uint32_t width, uint32_t height, uint32_t fourcc)
{
	struct v4l2_format f = { .type = q->type };
	struct layout l;

	if (ioctl(q->fd, VIDIOC_G_FMT, &f))
		fail("G_FMT");
	if (q->multi) {
		f.fmt.pix_mp.width = width;
		f.fmt.pix_mp.height = height;
		f.fmt.pix_mp.pixelformat = fourcc;
		f.fmt.pix_mp.plane_fmt[0].bytesperline = 0;
		f.fmt.pix_mp.plane_fmt[0].sizeimage = 0;
	} else {
		f.fmt.pix.width = width;
		f.fmt.pix.height = height;
		f.fmt.pix.pixelformat = fourcc;
		f.fmt.pix.bytesperline = 0;
		f.fmt.pix.sizeimage = 0;
	}
	if (ioctl(q->fd, VIDIOC_S_FMT, &f))
		fail("S_FMT");
	if (q->multi)
		l = (struct layout){ f.fmt.pix_mp.width, f.fmt.pix_mp.height,
				     f.fmt.pix_mp.pixelformat,
				     f.fmt.pix_mp.plane_fmt[0].bytesperline,
				     f.fmt.pix_mp.plane_fmt[0].sizeimage };
	else
		l = (struct layout){ f.fmt.pix.width, f.fmt.pix.height, f.fmt.pix.pixelformat,
				     f.fmt.pix.bytesperline, f.fmt.pix.sizeimage };
	return l;
}

struct message {
	struct v4l2_buffer b;
	struct v4l2_plane planes[VIDEO_MAX_PLANES];
};

static void prepare(struct queue *q, struct message *m)
{
	memset(m, 0, sizeof(*m));
	m->b.type = q->type;
	m->b.memory = q->memory;
	if (q->multi) {
		m->b.m.planes = m->planes;
		m->b.length = VIDEO_MAX_PLANES;
	}
}

static uint32_t bytes_used(struct queue *q, struct message *m)
{
	return q->multi ? m->planes[0].bytesused : m->b.bytesused;
}

static void request(struct queue *q, uint32_t memory, uint32_t count)
{
	struct v4l2_requestbuffers r = { .count = count, .type = q->type, .memory = memory };

	if (ioctl(q->fd, VIDIOC_REQBUFS, &r))
		fail("REQBUFS");
	q->memory = memory;
	q->count = r.count < MAX_BUFFERS ? r.count : MAX_BUFFERS;
}

static void map_all(struct queue *q)
{
	for (uint32_t i = 0; i < q->count; i++) {
		struct message m;
		struct buffer *buffer = &q->buffers[i];
		uint32_t offset;

		prepare(q, &m);
		m.b.index = i;
		if (ioctl(q->fd, VIDIOC_QUERYBUF, &m.b))
			fail("QUERYBUF");
		buffer->length = q->multi ? m.planes[0].length : m.b.length;
		offset = q->multi ? m.planes[0].m.mem_offset : m.b.m.offset;
		buffer->data = mmap(NULL, buffer->length, PROT_READ | PROT_WRITE, MAP_SHARED,
				    q->fd, offset);
		if (buffer->data == MAP_FAILED)
			fail("mmap");
	}
}

/* For import: dmabuf >= 0. Returns false with errno set. */
static bool queue_buffer(struct queue *q, uint32_t index, uint32_t used, int dmabuf,
			 const struct timeval *stamp)
{
	struct message m;

	prepare(q, &m);
	m.b.index = index;
	m.b.field = V4L2_FIELD_NONE;
	if (stamp)
		m.b.timestamp = *stamp;
	if (q->multi) {
		m.b.length = 1;
		m.planes[0].bytesused = used;
		if (dmabuf >= 0) {
			/* Here vb2 wants a length, too; in the single-planar API it does not. */
			m.planes[0].length = used;
			m.planes[0].m.fd = dmabuf;
		}
	} else {
		m.b.bytesused = used;
		if (dmabuf >= 0)
			m.b.m.fd = dmabuf;
	}
	if (ioctl(q->fd, VIDIOC_QBUF, &m.b))
		return false;
	q->buffers[index].queued = true;
	return true;
}

static bool dequeue(struct queue *q, struct message *m)
{
	prepare(q, m);
	if (ioctl(q->fd, VIDIOC_DQBUF, &m->b))
		return false;
	q->buffers[m->b.index].queued = false;
	return true;
}

static void stream(struct queue *q, bool on)
{
	int type = q->type;

	if (ioctl(q->fd, on ? VIDIOC_STREAMON : VIDIOC_STREAMOFF, &type))
		fail(on ? "STREAMON" : "STREAMOFF");
	if (!on)
		for (uint32_t i = 0; i < q->count; i++)
			q->buffers[i].queued = false;
}

static int open_node(const char *path, bool *multi)
{
	struct v4l2_capability c;
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		fail(path);
	if (ioctl(fd, VIDIOC_QUERYCAP, &c))
		fail("QUERYCAP");
	*multi = c.device_caps & (V4L2_CAP_VIDEO_M2M_MPLANE | V4L2_CAP_VIDEO_CAPTURE_MPLANE);
	return fd;
}

/* ---- raw frames ---- */

/* Copies packed lines into a layout with a stride. */
static const uint8_t *spread(uint8_t **to, const uint8_t *from, uint32_t line, uint32_t lines,
			     uint32_t stride, uint32_t rows)
{
	for (uint32_t y = 0; y < lines; y++, from += line)
		memcpy(*to + (size_t)y * stride, from, line);
	*to += (size_t)stride * rows;
	return from;
}

static size_t packed_size(const struct options *o)
{
	size_t pixels = (size_t)o->width * o->height;

	return o->fourcc == V4L2_PIX_FMT_YUYV ? pixels * 2 : pixels * 3 / 2;
}

static void lay_out(const struct options *o, const struct layout *l, const uint8_t *frame,
		    uint8_t *to)
{
	uint32_t w = o->width, h = o->height;

	if (o->fourcc == V4L2_PIX_FMT_YUYV) {
		spread(&to, frame, w * 2, h, l->stride, l->height);
		return;
	}
	frame = spread(&to, frame, w, h, l->stride, l->height);
	if (o->fourcc == V4L2_PIX_FMT_NV12) {
		spread(&to, frame, w, h / 2, l->stride, l->height / 2);
		return;
	}
	frame = spread(&to, frame, w / 2, h / 2, l->stride / 2, l->height / 2);
	spread(&to, frame, w / 2, h / 2, l->stride / 2, l->height / 2);
}

/* ---- set-up ---- */

static void announce(const char *what, const struct layout *l)
{
	printf("%s %.4s %ux%u stride %u size %u\n", what, (const char *)&l->fourcc, l->width,
	       l->height, l->stride, l->size);
}

static void open_encoder(const struct options *o)
{
	struct v4l2_event_subscription eos = { .type = V4L2_EVENT_EOS };
	bool multi;
	int fd = open_node(o->encoder, &multi);

	out = (struct queue){ .name = "OUTPUT", .fd = fd, .multi = multi,
		.type = multi ? V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE : V4L2_BUF_TYPE_VIDEO_OUTPUT };
	cap = (struct queue){ .name = "CAPTURE", .fd = fd, .multi = multi,
		.type = multi ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE };
	if (ioctl(fd, VIDIOC_SUBSCRIBE_EVENT, &eos))
		fail("SUBSCRIBE_EVENT");
}

static struct layout set_up_encoder(const struct options *o)
{
	struct layout raw, stream_layout;
	struct v4l2_streamparm parm;
	int fd = out.fd;

	raw = set_format(&out, o->width, o->height, o->fourcc);
	announce("raw", &raw);
	if (raw.fourcc != o->fourcc || raw.width < o->width || raw.height < o->height) {
		printf("error S_FMT unusable\n");
		exit(1);
	}
	if (o->crop) {
		struct v4l2_selection s = { .type = V4L2_BUF_TYPE_VIDEO_OUTPUT,
			.target = V4L2_SEL_TGT_CROP,
			.r = { .width = o->width, .height = o->height } };

		if (ioctl(fd, VIDIOC_S_SELECTION, &s))
			fail("S_SELECTION");
		printf("crop %ux%u\n", s.r.width, s.r.height);
	}
	stream_layout = set_format(&cap, 0, 0, V4L2_PIX_FMT_H264);
	announce("coded", &stream_layout);
	memset(&parm, 0, sizeof(parm));
	parm.type = out.type;
	parm.parm.output.timeperframe = (struct v4l2_fract){ 1, o->fps };
	if (ioctl(fd, VIDIOC_S_PARM, &parm))
		fail("S_PARM");
	for (int i = 0; i < o->controls; i++) {
		struct v4l2_ext_control c = { .id = o->control_ids[i],
					      .value = o->control_values[i] };
		struct v4l2_ext_controls all = { .which = V4L2_CTRL_WHICH_CUR_VAL, .count = 1,
						 .controls = &c };

		if (ioctl(fd, VIDIOC_S_EXT_CTRLS, &all))
			fail("S_EXT_CTRLS");
	}
	return raw;
}

static void set_up_camera(const struct options *o, const struct layout *raw)
{
	struct v4l2_streamparm parm;
	struct layout l;
	bool multi;
	int fd = open_node(o->camera, &multi);

	cam = (struct queue){ .name = "camera", .fd = fd, .multi = multi,
		.type = multi ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE };
	l = set_format(&cam, o->width, o->height, o->fourcc);
	announce("camera", &l);
	if (l.width != o->width || l.height != o->height || l.stride != raw->stride) {
		printf("error camera layout differs\n");
		exit(1);
	}
	memset(&parm, 0, sizeof(parm));
	parm.type = cam.type;
	parm.parm.capture.timeperframe = (struct v4l2_fract){ 1, o->fps };
	if (ioctl(fd, VIDIOC_S_PARM, &parm))
		fail("S_PARM");
	request(&cam, V4L2_MEMORY_MMAP, o->buffers);
	for (uint32_t i = 0; i < cam.count; i++) {
		struct v4l2_exportbuffer e = { .type = cam.type, .index = i,
					       .flags = O_RDWR | O_CLOEXEC };

		if (ioctl(fd, VIDIOC_EXPBUF, &e))
			fail("EXPBUF");
		camera_fds[i] = e.fd;
		if (!queue_buffer(&cam, i, 0, -1, NULL))
			fail("camera QBUF");
	}
}

static void queue_coded(void)
{
	for (uint32_t i = 0; i < cap.count; i++)
		if (!cap.buffers[i].queued && !queue_buffer(&cap, i, 0, -1, NULL))
			fail("CAPTURE QBUF");
}

static void start(void)
{
	queue_coded();
	stream(&out, true);
	stream(&cap, true);
}

/* ---- the loop ---- */

static FILE *source;
static uint8_t *frame_memory;
static bool source_ended, draining, drained;

/* Puts a frame of the file into a free OUTPUT buffer. False: QBUF failed. */
static bool feed_from_file(const struct options *o, const struct layout *raw)
{
	for (uint32_t i = 0; i < out.count && !source_ended; i++) {
		struct timeval stamp = { fed / o->fps, fed % o->fps * 1000000 / o->fps };

		if (out.buffers[i].queued)
			continue;
		if ((o->frames && fed == o->frames) ||
		    fread(frame_memory, packed_size(o), 1, source) != 1) {
			source_ended = true;
			break;
		}
		lay_out(o, raw, frame_memory, out.buffers[i].data);
		if (!queue_buffer(&out, i, raw->size, -1, &stamp))
			return false;
		fed++;
	}
	return true;
}

/* Passes what the camera has on to the encoder. False: QBUF failed. */
static bool feed_from_camera(const struct options *o, const struct layout *raw)
{
	struct message m;

	while (!source_ended && dequeue(&cam, &m)) {
		captured++;
		if (!queue_buffer(&out, m.b.index, raw->size, camera_fds[m.b.index],
				  &m.b.timestamp)) {
			int error = errno;

			queue_buffer(&cam, m.b.index, 0, -1, NULL);
			errno = error;
			return false;
		}
		if (++fed == o->frames)
			source_ended = true;
	}
	return true;
}

static void take_back_raw(const struct options *o)
{
	struct message m;

	while (dequeue(&out, &m))
		if (o->camera && !queue_buffer(&cam, m.b.index, 0, -1, NULL))
			fail("camera QBUF");
}

static void take_coded(void)
{
	struct message m;

	while (dequeue(&cap, &m)) {
		uint32_t used = bytes_used(&cap, &m), flags = m.b.flags;

		printf("frame %d bytes %u sequence %u flags %s%s%s%s time %lld.%06ld\n", coded,
		       used, m.b.sequence, flags & V4L2_BUF_FLAG_KEYFRAME ? "K" : "",
		       flags & V4L2_BUF_FLAG_PFRAME ? "P" : "",
		       flags & V4L2_BUF_FLAG_ERROR ? "E" : "",
		       flags & V4L2_BUF_FLAG_LAST ? "L" : "",
		       (long long)m.b.timestamp.tv_sec, (long)m.b.timestamp.tv_usec);
		coded++;
		if (sink && !(flags & V4L2_BUF_FLAG_ERROR) &&
		    used <= cap.buffers[m.b.index].length)
			fwrite(cap.buffers[m.b.index].data, 1, used, sink);
		if (flags & V4L2_BUF_FLAG_LAST) {
			drained = true;
			return;
		}
		if (!queue_buffer(&cap, m.b.index, 0, -1, NULL))
			fail("CAPTURE QBUF");
	}
}

static void take_events(void)
{
	struct v4l2_event e;

	while (!ioctl(out.fd, VIDIOC_DQEVENT, &e))
		if (e.type == V4L2_EVENT_EOS)
			printf("event EOS\n");
}

/* After the last buffer, DQBUF says EPIPE. */
static void check_end(void)
{
	struct message m;

	if (dequeue(&cap, &m))
		printf("error DQBUF after LAST\n");
	else
		printf("after LAST %s\n", errno_name(errno));
}

static void restart(const struct options *o)
{
	printf("restart\n");
	stream(&out, false);
	stream(&cap, false);
	source_ended = draining = false;
	fed = 0;
	if (source)
		rewind(source);
	if (o->camera) {
		stream(&cam, false);
		for (uint32_t i = 0; i < cam.count; i++)
			if (!queue_buffer(&cam, i, 0, -1, NULL))
				fail("camera QBUF");
	}
	start();
	if (o->camera)
		stream(&cam, true);
}

/* From the end of a drain to the next picture, without touching the buffers. */
static void start_again(void)
{
	struct v4l2_encoder_cmd begin = { .cmd = V4L2_ENC_CMD_START };

	if (ioctl(out.fd, VIDIOC_ENCODER_CMD, &begin))
		fail("ENCODER_CMD");
	rewind(source);
	fed = 0;
	source_ended = draining = drained = false;
	queue_coded();
	printf("round\n");
}

static int run(struct options *o, const struct layout *raw)
{
	double begin = now();

	while (!drained || o->rounds > 1) {
		struct pollfd fds[2] = {
			{ .fd = out.fd, .events = POLLIN | POLLOUT | POLLPRI },
			{ .fd = o->camera && !source_ended ? cam.fd : -1, .events = POLLIN },
		};
		bool ok;

		if (drained) {
			take_events();
			check_end();
			o->rounds--;
			start_again();
			continue;
		}
		if (o->key_at >= 0 && fed >= o->key_at) {
			struct v4l2_control c = { .id = V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME };

			if (ioctl(out.fd, VIDIOC_S_CTRL, &c))
				fail("FORCE_KEY_FRAME");
			o->key_at = -1;
		}
		ok = o->camera ? feed_from_camera(o, raw) : feed_from_file(o, raw);
		if (!ok) {
			printf("error QBUF %s\n", errno_name(errno));
			if (o->restarts-- <= 0)
				return 1;
			restart(o);
			continue;
		}
		if (source_ended && !draining) {
			struct v4l2_encoder_cmd stop = { .cmd = V4L2_ENC_CMD_STOP };

			draining = true;
			if (!o->drain)
				break;
			if (ioctl(out.fd, VIDIOC_ENCODER_CMD, &stop))
				fail("ENCODER_CMD");
		}
		if (poll(fds, 2, o->timeout_ms) == 0) {
			printf("silent\n");
			if (o->restarts-- <= 0)
				return 3;
			restart(o);
			continue;
		}
		take_events();
		take_back_raw(o);
		take_coded();
	}
	if (o->drain) {
		take_events();
		check_end();
	}
	printf("end frames %d seconds %.3f captured %d\n", coded, now() - begin, captured);
	return 0;
}

static void usage(void)
{
	fprintf(stderr,
		"v4l2-encode ENCODER --from FILE | --camera NODE [--size WxH] [--pixel NV12|YU12|YUYV]\n"
		"  [--to FILE] [--frames N] [--fps N] [--buffers N] [--crop] [--no-drain]\n"
		"  [--control ID=VALUE]... [--key-at N] [--timeout-ms N] [--restarts N]\n"
		"  [--rounds N] [--then WxH]\n");
	exit(2);
}

static struct options parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "from", 1, 0, 'f' }, { "camera", 1, 0, 'c' }, { "size", 1, 0, 's' },
		{ "pixel", 1, 0, 'p' }, { "to", 1, 0, 't' }, { "frames", 1, 0, 'n' },
		{ "fps", 1, 0, 'r' }, { "buffers", 1, 0, 'b' }, { "crop", 0, 0, 'C' },
		{ "no-drain", 0, 0, 'd' }, { "control", 1, 0, 'x' }, { "key-at", 1, 0, 'k' },
		{ "timeout-ms", 1, 0, 'T' }, { "restarts", 1, 0, 'R' },
		{ "rounds", 1, 0, 'o' }, { "then", 1, 0, 'a' }, { 0 },
	};
	struct options o = { .width = 640, .height = 480, .fourcc = V4L2_PIX_FMT_NV12, .fps = 30,
			     .buffers = 4, .key_at = -1, .timeout_ms = 3000, .drain = true };
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'f': o.from = optarg; break;
		case 'c': o.camera = optarg; break;
		case 's':
			if (sscanf(optarg, "%ux%u", &o.width, &o.height) != 2)
				usage();
			break;
		case 'p':
			if (strlen(optarg) != 4)
				usage();
			o.fourcc = v4l2_fourcc(optarg[0], optarg[1], optarg[2], optarg[3]);
			break;
		case 't': o.to = optarg; break;
		case 'n': o.frames = atoi(optarg); break;
		case 'r': o.fps = atoi(optarg); break;
		case 'b': o.buffers = atoi(optarg); break;
		case 'C': o.crop = true; break;
		case 'd': o.drain = false; break;
		case 'x':
			if (o.controls == 16 || sscanf(optarg, "%i=%i",
			    (int *)&o.control_ids[o.controls],
			    &o.control_values[o.controls]) != 2)
				usage();
			o.controls++;
			break;
		case 'k': o.key_at = atoi(optarg); break;
		case 'T': o.timeout_ms = atoi(optarg); break;
		case 'R': o.restarts = atoi(optarg); break;
		case 'o': o.rounds = atoi(optarg); break;
		case 'a':
			if (sscanf(optarg, "%ux%u", &o.then_width, &o.then_height) != 2)
				usage();
			break;
		default: usage();
		}
	}
	if (optind + 1 != argc || !o.from == !o.camera || o.fps < 1 || (o.camera && !o.frames))
		usage();
	o.encoder = argv[optind];
	return o;
}

static int encode(struct options *o)
{
	struct layout raw = set_up_encoder(o);

	if (o->camera)
		set_up_camera(o, &raw);
	request(&out, o->camera ? V4L2_MEMORY_DMABUF : V4L2_MEMORY_MMAP,
		o->camera ? cam.count : (uint32_t)o->buffers);
	request(&cap, V4L2_MEMORY_MMAP, o->buffers);
	map_all(&cap);
	if (!o->camera) {
		map_all(&out);
		rewind(source);
		frame_memory = realloc(frame_memory, packed_size(o));
		if (!frame_memory)
			fail("malloc");
	}
	fed = 0;
	source_ended = draining = drained = false;
	start();
	if (o->camera)
		stream(&cam, true);
	return run(o, &raw);
}

static void tear_down(struct queue *q)
{
	stream(q, false);
	for (uint32_t i = 0; i < q->count; i++)
		munmap(q->buffers[i].data, q->buffers[i].length);
	request(q, q->memory, 0);
}

int main(int argc, char **argv)
{
	struct options o = parse(argc, argv);
	int status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	open_encoder(&o);
	if (o.from) {
		source = fopen(o.from, "rb");
		if (!source)
			fail(o.from);
	}
	if (o.to) {
		sink = fopen(o.to, "wb");
		if (!sink)
			fail(o.to);
	}
	status = encode(&o);
	if (status == 0 && o.then_width) {
		tear_down(&out);
		tear_down(&cap);
		o.width = o.then_width;
		o.height = o.then_height;
		status = encode(&o);
	}
	return status;
}
