//! Whether an encoder can read a camera's buffers where they lie, and what to ask of whom so that it
//! can. Pure.
//!
//! A buffer is shared as it is: line length, place of the chroma, and size must be the same on both
//! sides. Which side bends is asked in this order: the encoder (it costs nothing there), the camera,
//! and only then each frame is copied.

use crate::capture::layout::{MOST_PLANES, Raw};
use crate::units::Size;

/// One memory plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plane {
    /// Bytes from one line to the next.
    pub stride: u32,
    /// Bytes of a buffer: the camera's has so many, the encoder wants so many.
    pub bytes: u32,
}

/// How one side lays out a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// Layout.
    pub raw: Raw,
    /// Size, padding included as far as the driver says it.
    pub size: Size,
    /// Memory planes, as many as the layout has.
    pub planes: [Plane; MOST_PLANES],
}

/// What was asked already and is not asked twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    /// The encoder, for the camera's stride.
    pub encoder: bool,
    /// The camera, for the encoder's stride and size.
    pub camera: bool,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// The encoder reads the camera's buffers.
    Import,
    /// As above, if the camera's buffers can be made larger than its pictures.
    ImportEnlarged {
        /// Bytes of each memory plane.
        bytes: [u32; MOST_PLANES],
    },
    /// Set the encoder's format anew with this stride, and look again.
    AskEncoder {
        /// Of the first plane.
        stride: u32,
    },
    /// Set the camera's format anew with these planes, and look again.
    AskCamera {
        /// As wished.
        planes: [Plane; MOST_PLANES],
    },
    /// Copy each frame into the encoder's buffers.
    Copy {
        /// Why, as half a sentence.
        why: String,
    },
    /// The encoder cannot code such pictures.
    Never {
        /// Why, as half a sentence.
        why: String,
    },
}

/// Looks at both sides' answers.
#[must_use]
pub fn fit(camera: &Side, encoder: &Side, asked: Asked) -> Fit {
    let (size, padded) = (camera.size, encoder.size);
    if let Some(why) = too_small(size, padded) {
        return Fit::Never { why };
    }
    if camera.raw != encoder.raw {
        let (gives, takes) = (camera.raw, encoder.raw);
        let why = format!("the camera gives {gives} and the encoder takes {takes}");
        return Fit::Copy { why };
    }
    if camera.raw.chroma_behind_luma() && size.height != padded.height {
        // The colours would begin some lines too late or too early.
        let why = format!(
            "the encoder wants the colours behind {} lines, the camera puts them behind {}",
            padded.height, size.height
        );
        return Fit::Copy { why };
    }
    let planes = camera.raw.memory_planes();
    let pairs = || camera.planes.iter().zip(&encoder.planes).take(planes);
    let longer = pairs().any(|(camera, encoder)| camera.stride > encoder.stride);
    let shorter = pairs().any(|(camera, encoder)| camera.stride < encoder.stride);
    if longer && !shorter && !asked.encoder {
        let stride = camera.planes[0].stride;
        return Fit::AskEncoder { stride };
    }
    let small = pairs().any(|(camera, encoder)| camera.bytes < encoder.bytes);
    if (longer || shorter || small) && !asked.camera {
        return Fit::AskCamera {
            planes: encoder.planes,
        };
    }
    if longer || shorter {
        let why = format!(
            "a line has {} bytes with the camera and {} with the encoder",
            camera.planes[0].stride, encoder.planes[0].stride
        );
        return Fit::Copy { why };
    }
    if small {
        return Fit::ImportEnlarged {
            bytes: encoder.planes.map(|plane| plane.bytes),
        };
    }
    Fit::Import
}

/// The way out where [`Fit::ImportEnlarged`] is not to be had.
#[must_use]
pub fn too_few_bytes(camera: &Side, encoder: &Side) -> Fit {
    let pairs = camera.planes.iter().zip(&encoder.planes);
    let worst = pairs.max_by_key(|(camera, encoder)| encoder.bytes.saturating_sub(camera.bytes));
    let (has, wants) = worst.map_or((0, 0), |(camera, encoder)| (camera.bytes, encoder.bytes));
    Fit::Copy {
        why: format!("the camera's buffers have {has} bytes and the encoder wants {wants}"),
    }
}

/// Why pictures of `size` cannot be coded in ones of `padded`, if they cannot.
fn too_small(size: Size, padded: Size) -> Option<String> {
    (padded.width < size.width || padded.height < size.height)
        .then(|| format!("it codes {padded} at most, not {size}"))
}

/// What the encoder must be told to leave out so that the picture keeps its size, if anything: 1080
/// lines lie in 1088, because H.264 counts in blocks of 16.
#[must_use]
pub fn crop(picture: Size, padded: Size) -> Option<Size> {
    (picture != padded).then_some(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nv12(width: u32, height: u32, stride: u32) -> Side {
        side(Raw::Nv12, width, height, stride, stride * height * 3 / 2)
    }

    fn side(raw: Raw, width: u32, height: u32, stride: u32, bytes: u32) -> Side {
        let mut planes = [Plane::default(); MOST_PLANES];
        planes[0] = Plane { stride, bytes };
        Side {
            raw,
            size: Size::new(width, height),
            planes,
        }
    }

    const NOTHING: Asked = Asked {
        encoder: false,
        camera: false,
    };
    const BOTH: Asked = Asked {
        encoder: true,
        camera: true,
    };

    fn why(fit: Fit) -> String {
        match fit {
            Fit::Copy { why } | Fit::Never { why } => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_same_picture_on_both_sides_is_read_where_it_lies() {
        let vga = nv12(640, 480, 640);
        assert_eq!(fit(&vga, &vga, NOTHING), Fit::Import);
        let mut roomy = vga;
        roomy.planes[0].bytes += 4096;
        assert_eq!(fit(&roomy, &vga, NOTHING), Fit::Import);
    }

    #[test]
    fn a_camera_with_longer_lines_asks_the_encoder_first() {
        let (camera, encoder) = (nv12(640, 480, 704), nv12(640, 480, 640));
        assert_eq!(
            fit(&camera, &encoder, NOTHING),
            Fit::AskEncoder { stride: 704 }
        );
        // The encoder stays as it is: then the camera is asked, and if it stays too, we copy.
        let asked = Asked {
            encoder: true,
            camera: false,
        };
        assert!(matches!(
            fit(&camera, &encoder, asked),
            Fit::AskCamera { .. }
        ));
        assert!(why(fit(&camera, &encoder, BOTH)).contains("704 bytes"));
    }

    #[test]
    fn an_encoder_with_longer_lines_asks_the_camera() {
        // 1366 pixels wide, and an encoder that counts in 64.
        let (camera, encoder) = (nv12(1366, 768, 1366), nv12(1366, 768, 1408));
        let Fit::AskCamera { planes } = fit(&camera, &encoder, NOTHING) else {
            panic!()
        };
        assert_eq!(planes[0].stride, 1408);
        assert_eq!(
            fit(&nv12(1366, 768, 1408), &encoder, BOTH),
            Fit::Import,
            "the camera did as it was asked"
        );
        assert!(why(fit(&camera, &encoder, BOTH)).contains("1408"));
    }

    #[test]
    fn planar_pictures_are_copied_when_the_encoder_pads_their_height() {
        // Venus aligns to 32 lines: the colours of a 1080-line picture would be looked for in line 1088.
        let (camera, encoder) = (nv12(1920, 1080, 1920), nv12(1920, 1088, 1920));
        assert!(why(fit(&camera, &encoder, NOTHING)).contains("behind 1088 lines"));
        assert_eq!(crop(camera.size, encoder.size), Some(Size::new(1920, 1080)));
        assert_eq!(crop(camera.size, camera.size), None);
    }

    #[test]
    fn packed_pictures_only_need_room_for_the_padding() {
        let camera = side(Raw::Yuyv, 1920, 1080, 3840, 3840 * 1080);
        let encoder = side(Raw::Yuyv, 1920, 1088, 3840, 3840 * 1088);
        assert!(matches!(
            fit(&camera, &encoder, NOTHING),
            Fit::AskCamera { .. }
        ));
        let enlarged = fit(&camera, &encoder, BOTH);
        assert!(
            matches!(enlarged, Fit::ImportEnlarged { bytes } if bytes[0] == 3840 * 1088),
            "{enlarged:?}"
        );
        assert!(why(too_few_bytes(&camera, &encoder)).contains("4147200 bytes"));
    }

    #[test]
    fn planes_apart_may_be_padded_each_by_itself_but_must_be_apart_on_both_sides() {
        let mut camera = side(Raw::Nm12, 1280, 720, 1280, 1280 * 736);
        camera.planes[1] = Plane {
            stride: 1280,
            bytes: 1280 * 368,
        };
        let mut encoder = camera;
        encoder.size.height = 736;
        assert_eq!(fit(&camera, &encoder, NOTHING), Fit::Import);
        encoder.planes[1].stride = 1344;
        assert!(matches!(
            fit(&camera, &encoder, NOTHING),
            Fit::AskCamera { .. }
        ));
        let text = why(fit(&nv12(1280, 720, 1280), &encoder, NOTHING));
        assert_eq!(text, "the camera gives NV12 and the encoder takes NM12");
    }

    #[test]
    fn pictures_larger_than_the_encoder_takes_are_no_case_for_copying() {
        let fit = fit(&nv12(2560, 1440, 2560), &nv12(1920, 1080, 1920), NOTHING);
        assert!(matches!(fit, Fit::Never { .. }));
    }

    proptest::proptest! {
        #[test]
        fn asking_ends_and_an_import_never_reads_beyond_the_cameras_buffer(
            raw in proptest::sample::select(&Raw::ALL[..]),
            camera: ([u32; 3], [u32; 3]), encoder: ([u32; 3], [u32; 3]),
            heights in (1_u32..64, 1_u32..64),
            bends: bool,
        ) {
            let of = |(strides, bytes): ([u32; 3], [u32; 3]), height| Side {
                raw,
                size: Size::new(64, height),
                planes: std::array::from_fn(|at| Plane { stride: strides[at], bytes: bytes[at] }),
            };
            let (mut camera, mut encoder) = (of(camera, heights.0), of(encoder, heights.1));
            let mut asked = NOTHING;
            let mut rounds = 0;
            loop {
                rounds += 1;
                proptest::prop_assert!(rounds <= 3);
                match fit(&camera, &encoder, asked) {
                    Fit::AskEncoder { stride } => {
                        asked.encoder = true;
                        if bends { encoder.planes[0].stride = stride; }
                    }
                    Fit::AskCamera { planes } => {
                        asked.camera = true;
                        if bends { camera.planes = planes; }
                    }
                    Fit::Import => {
                        for at in 0..raw.memory_planes() {
                            proptest::prop_assert_eq!(camera.planes[at].stride, encoder.planes[at].stride);
                            proptest::prop_assert!(camera.planes[at].bytes >= encoder.planes[at].bytes);
                        }
                        break;
                    }
                    Fit::ImportEnlarged { .. } | Fit::Copy { .. } | Fit::Never { .. } => break,
                }
            }
        }
    }
}
