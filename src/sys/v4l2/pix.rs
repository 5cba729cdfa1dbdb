//! Picture formats as the kernel speaks them, the same for both buffer interfaces.

use v4l::v4l_sys::{v4l2_format, v4l2_pix_format, v4l2_pix_format_mplane};

use super::{Queue, blank};

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
    /// Bytes from one line to the next in the first plane.
    pub stride: u32,
    /// Bytes of a whole picture at most, in the first memory plane.
    pub size_image: u32,
    /// Separate memory planes; 1 for everything contiguous.
    pub memory_planes: u8,
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
            colorspace: 0,
            ycbcr_enc: 0,
            quantization: 0,
            xfer_func: 0,
        }
    }

    /// Only what an application chooses is filled in; the rest stays zero, as V4L2 wants it.
    pub(super) fn to_raw(self, queue: Queue) -> v4l2_format {
        let mut format = blank::<v4l2_format>();
        format.type_ = queue.raw();
        match queue {
            Queue::Single => {
                // SAFETY: the union was zeroed as a whole, and zero is a valid v4l2_pix_format.
                let pix: &mut v4l2_pix_format = unsafe { &mut format.fmt.pix };
                pix.width = self.width;
                pix.height = self.height;
                pix.pixelformat = u32::from_le_bytes(self.fourcc);
                pix.field = self.field;
            }
            Queue::Multi => {
                // SAFETY: the union was zeroed as a whole, and zero is a valid value here too.
                let pix: &mut v4l2_pix_format_mplane = unsafe { &mut format.fmt.pix_mp };
                pix.width = self.width;
                pix.height = self.height;
                pix.pixelformat = u32::from_le_bytes(self.fourcc);
                pix.field = self.field;
                pix.num_planes = self.memory_planes;
            }
        }
        format
    }

    pub(super) fn from_raw(queue: Queue, format: &v4l2_format) -> Self {
        match queue {
            Queue::Single => {
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
                    colorspace: pix.colorspace,
                    // SAFETY: both members of this union are the same plain integer.
                    ycbcr_enc: unsafe { pix.__bindgen_anon_1.ycbcr_enc },
                    quantization: pix.quantization,
                    xfer_func: pix.xfer_func,
                }
            }
            Queue::Multi => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_survives_the_way_through_either_kernel_structure() {
        for queue in [Queue::Single, Queue::Multi] {
            let wish = Pix::wish(*b"NV12", 640, 480);
            assert_eq!(Pix::from_raw(queue, &wish.to_raw(queue)), wish);
        }
    }
}
