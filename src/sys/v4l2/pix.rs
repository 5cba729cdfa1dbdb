//! Picture formats as the kernel speaks them, the same for both buffer interfaces.

use v4l::v4l_sys::{v4l2_format, v4l2_pix_format, v4l2_pix_format_mplane};

use super::{Planarity, Queue, blank};

/// Memory planes a picture has at most: luma, Cb and Cr apart.
pub const MOST_PLANES: usize = crate::capture::layout::MOST_PLANES;

/// How one memory plane is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plane {
    /// Bytes from one line to the next.
    pub stride: u32,
    /// Bytes of a whole picture at most.
    pub size_image: u32,
}

/// `struct v4l2_pix_format` and its multi-planar twin, in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pix {
    /// Pixel format.
    pub fourcc: [u8; 4],
    /// Pixels per line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// `enum v4l2_field`.
    pub field: u32,
    /// Bytes from one line to the next in the first plane. A wish of 0 leaves it to the driver.
    pub stride: u32,
    /// Bytes of a whole picture at most, in the first memory plane; 0 as above.
    pub size_image: u32,
    /// Separate memory planes; 1 for everything contiguous.
    pub memory_planes: u8,
    /// The second and third memory plane, where there are any.
    pub further: [Plane; MOST_PLANES - 1],
    /// `enum v4l2_colorspace`.
    pub colorspace: u32,
    /// `enum v4l2_ycbcr_encoding`.
    pub ycbcr_enc: u32,
    /// `enum v4l2_quantization`.
    pub quantization: u32,
    /// `enum v4l2_xfer_func`.
    pub xfer_func: u32,
}

impl Pix {
    /// A wish: progressive pictures of this format and size, the rest left to the driver.
    #[must_use]
    pub const fn wish(fourcc: [u8; 4], width: u32, height: u32) -> Self {
        Self {
            fourcc,
            width,
            height,
            field: v4l::v4l_sys::v4l2_field_V4L2_FIELD_NONE,
            stride: 0,
            size_image: 0,
            memory_planes: 1,
            further: [Plane {
                stride: 0,
                size_image: 0,
            }; MOST_PLANES - 1],
            colorspace: 0,
            ycbcr_enc: 0,
            quantization: 0,
            xfer_func: 0,
        }
    }

    /// Every memory plane, the first one first.
    #[must_use]
    pub const fn planes(&self) -> [Plane; MOST_PLANES] {
        let first = Plane {
            stride: self.stride,
            size_image: self.size_image,
        };
        [first, self.further[0], self.further[1]]
    }

    pub(super) fn to_raw(self, queue: Queue) -> v4l2_format {
        let mut format = blank::<v4l2_format>();
        format.type_ = queue.raw();
        match queue.planarity {
            Planarity::Single => {
                // SAFETY: the union was zeroed as a whole, and zero is a valid v4l2_pix_format.
                let pix: &mut v4l2_pix_format = unsafe { &mut format.fmt.pix };
                pix.width = self.width;
                pix.height = self.height;
                pix.pixelformat = u32::from_le_bytes(self.fourcc);
                pix.field = self.field;
                pix.bytesperline = self.stride;
                pix.sizeimage = self.size_image;
                pix.colorspace = self.colorspace;
                pix.__bindgen_anon_1.ycbcr_enc = self.ycbcr_enc;
                pix.quantization = self.quantization;
                pix.xfer_func = self.xfer_func;
                // Without this mark the kernel ignores the fields behind `sizeimage`.
                pix.priv_ = v4l::v4l_sys::V4L2_PIX_FMT_PRIV_MAGIC;
            }
            Planarity::Multi => {
                // SAFETY: the union was zeroed as a whole, and zero is a valid value here too.
                let pix: &mut v4l2_pix_format_mplane = unsafe { &mut format.fmt.pix_mp };
                pix.width = self.width;
                pix.height = self.height;
                pix.pixelformat = u32::from_le_bytes(self.fourcc);
                pix.field = self.field;
                pix.num_planes = self.memory_planes;
                let mut planes = pix.plane_fmt; // by value: the structure is packed
                for (plane, wish) in planes.iter_mut().zip(self.planes()) {
                    plane.bytesperline = wish.stride;
                    plane.sizeimage = wish.size_image;
                }
                pix.plane_fmt = planes;
                pix.colorspace = self.colorspace;
                pix.__bindgen_anon_1.ycbcr_enc = byte(self.ycbcr_enc);
                pix.quantization = byte(self.quantization);
                pix.xfer_func = byte(self.xfer_func);
            }
        }
        format
    }

    pub(super) fn from_raw(queue: Queue, format: &v4l2_format) -> Self {
        match queue.planarity {
            Planarity::Single => {
                // SAFETY: the kernel filled `pix`, the member that this buffer type stands for.
                let pix = unsafe { format.fmt.pix };
                Self {
                    fourcc: pix.pixelformat.to_le_bytes(),
                    width: pix.width,
                    height: pix.height,
                    field: pix.field,
                    stride: pix.bytesperline,
                    size_image: pix.sizeimage,
                    memory_planes: 1,
                    further: [Plane::default(); MOST_PLANES - 1],
                    colorspace: pix.colorspace,
                    // SAFETY: both members of this union are the same plain integer.
                    ycbcr_enc: unsafe { pix.__bindgen_anon_1.ycbcr_enc },
                    quantization: pix.quantization,
                    xfer_func: pix.xfer_func,
                }
            }
            Planarity::Multi => {
                // SAFETY: the kernel filled `pix_mp`, the member that this buffer type stands for.
                let pix = unsafe { format.fmt.pix_mp };
                let planes = pix.plane_fmt; // by value: the structure is packed
                Self {
                    fourcc: pix.pixelformat.to_le_bytes(),
                    width: pix.width,
                    height: pix.height,
                    field: pix.field,
                    stride: planes[0].bytesperline,
                    size_image: planes[0].sizeimage,
                    memory_planes: pix.num_planes,
                    further: [1, 2].map(|at| Plane {
                        stride: planes[at].bytesperline,
                        size_image: planes[at].sizeimage,
                    }),
                    colorspace: pix.colorspace,
                    // SAFETY: both members of this union are the same plain integer.
                    ycbcr_enc: u32::from(unsafe { pix.__bindgen_anon_1.ycbcr_enc }),
                    quantization: u32::from(pix.quantization),
                    xfer_func: u32::from(pix.xfer_func),
                }
            }
        }
    }
}

/// The kernel's enumerations fit a byte; what does not is no value of theirs.
fn byte(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_survives_the_way_through_either_kernel_structure() {
        for planarity in [Planarity::Single, Planarity::Multi] {
            for queue in [Queue::capture(planarity), Queue::output(planarity)] {
                let wish = Pix {
                    stride: 704,
                    size_image: 704 * 480 * 3 / 2,
                    colorspace: 8,
                    ycbcr_enc: 2,
                    quantization: 1,
                    xfer_func: 2,
                    ..Pix::wish(*b"NV12", 640, 480)
                };
                assert_eq!(Pix::from_raw(queue, &wish.to_raw(queue)), wish);
            }
        }
    }

    #[test]
    fn planes_that_lie_apart_keep_their_own_measures() {
        let queue = Queue::output(Planarity::Multi);
        let mut wish = Pix {
            stride: 640,
            size_image: 640 * 480,
            memory_planes: 2,
            ..Pix::wish(*b"NM12", 640, 480)
        };
        wish.further[0] = Plane {
            stride: 640,
            size_image: 640 * 240,
        };
        assert_eq!(Pix::from_raw(queue, &wish.to_raw(queue)), wish);
    }
}
