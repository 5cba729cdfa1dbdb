//! A frame into the encoder's own buffer, where the camera's cannot be read: copied line by line,
//! converted, or decoded, as little as will do. Pure; nothing is allocated after [`Painter::new`]
//! (MJPEG: after the first frame).

use crate::capture::layout::{MOST_PLANES, Raw, least_bytes};
use crate::capture::{Format, PixelFormat, Range};
use crate::encode::convert::{Planar, convert};
use crate::encode::jpeg::Jpeg;
use crate::error::{Error, Kind, Result};
use crate::units::Size;

/// How the encoder wants its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Layout.
    pub raw: Raw,
    /// Lines of luma until the chroma begins, padding included.
    pub lines: u32,
    /// Bytes from one line to the next, in each memory plane.
    pub strides: [u32; MOST_PLANES],
}

/// What a frame goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Copied line by line.
    Copied,
    /// Brought into another layout, and into limited range.
    Converted,
    /// Decoded.
    Decoded,
}

impl How {
    /// What is done between `source` and `raw`; `None` when we cannot.
    #[must_use]
    pub fn between(source: PixelFormat, raw: Raw) -> Option<Self> {
        let planar = matches!(raw.pixel(), PixelFormat::Nv12 | PixelFormat::Yu12);
        match source {
            PixelFormat::H264 => None,
            same if same == raw.pixel() => Some(Self::Copied),
            PixelFormat::Mjpeg => planar.then_some(Self::Decoded),
            _ => planar.then_some(Self::Converted),
        }
    }

    /// What is done, as half a sentence.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Copied => "each frame is copied",
            Self::Converted => "each frame is converted",
            Self::Decoded => "each frame is decoded",
        }
    }
}

/// Lines of samples somewhere in memory.
#[derive(Debug, Clone, Copy)]
struct Surface {
    plane: usize,
    offset: usize,
    stride: usize,
    /// Bytes of a line that carry samples.
    line: usize,
    lines: usize,
}

/// Brings frames into buffers.
#[derive(Debug)]
pub struct Painter {
    source: Format,
    target: Target,
    how: How,
    picture: Planar,
    jpeg: Jpeg,
}

impl Painter {
    /// For frames of `source` and buffers like `target`.
    ///
    /// # Errors
    /// `Refused` when there is no way from the one to the other.
    pub fn new(source: Format, target: Target) -> Result<Self> {
        let Some(how) = How::between(source.pixel, target.raw) else {
            let what = format!("{} cannot be made of {}", target.raw, source.pixel);
            return Err(Error::new(Kind::Refused, what));
        };
        let size = match how {
            How::Copied => Size::new(0, 0), // never used
            How::Converted | How::Decoded => source.size,
        };
        Ok(Self {
            source,
            target,
            how,
            picture: Planar::new(size.width as usize, size.height as usize),
            jpeg: Jpeg::new(),
        })
    }

    /// What is done to each frame.
    #[must_use]
    pub const fn how(&self) -> How {
        self.how
    }

    /// The range of what comes out.
    #[must_use]
    pub const fn range(&self) -> Range {
        match self.how {
            How::Copied => self.source.colour.range,
            How::Converted | How::Decoded => Range::Limited,
        }
    }

    /// Paints `frame` into the memory planes of one buffer.
    ///
    /// # Errors
    /// `Transient`: the frame is damaged or cut off. `Reopen`: the buffer is smaller than the driver
    /// said.
    pub fn paint(&mut self, frame: &[u8], planes: &mut [&mut [u8]]) -> Result<()> {
        match self.how {
            How::Copied => self.copy(frame, planes),
            How::Converted => {
                convert(&self.source, frame, &mut self.picture)?;
                self.spread(planes)
            }
            How::Decoded => {
                let range = self.source.colour.range;
                self.jpeg.decode(frame, range, &mut self.picture)?;
                self.spread(planes)
            }
        }
    }

    fn copy(&self, frame: &[u8], planes: &mut [&mut [u8]]) -> Result<()> {
        let Format {
            pixel,
            size,
            stride,
            ..
        } = self.source;
        let least = least_bytes(pixel, size, stride);
        if u64::try_from(frame.len()).is_ok_and(|length| length < least) {
            let length = frame.len();
            let what = format!("a {pixel} frame of {size} has {length} bytes instead of {least}");
            return Err(Error::new(Kind::Transient, what));
        }
        let contiguous = Raw::from_fourcc(pixel.fourcc()).unwrap_or(self.target.raw);
        let from = surfaces(contiguous, size, size.height, [stride; MOST_PLANES]);
        let into = self.surfaces(size);
        for (from, into) in from.iter().zip(&into) {
            let source = frame.get(from.offset..).unwrap_or_default();
            let lines = source.chunks(from.stride.max(1)).take(from.lines);
            for (line, target) in lines.zip(lines_of(planes, *into)?) {
                let length = into.line.min(line.len()).min(target.len());
                target[..length].copy_from_slice(&line[..length]);
            }
        }
        Ok(())
    }

    /// The converted picture into the buffer.
    fn spread(&self, planes: &mut [&mut [u8]]) -> Result<()> {
        let (width, height) = self.picture.dimensions();
        let size = Size::new(
            u32::try_from(width).unwrap_or(0),
            u32::try_from(height).unwrap_or(0),
        );
        let into = self.surfaces(size);
        let [y, cb, cr] = self.picture.planes();
        let half = (width / 2).max(1);
        for (at, surface) in into.iter().enumerate() {
            let lines = lines_of(planes, *surface)?;
            if at == 0 {
                copy_lines(y, width, lines);
            } else if self.target.raw.pixel() == PixelFormat::Yu12 {
                copy_lines(if at == 1 { cb } else { cr }, half, lines);
            } else {
                let pairs = cb.chunks(half).zip(cr.chunks(half));
                for ((cb, cr), target) in pairs.zip(lines) {
                    for (to, (cb, cr)) in target.chunks_exact_mut(2).zip(cb.iter().zip(cr)) {
                        to.copy_from_slice(&[*cb, *cr]);
                    }
                }
            }
        }
        Ok(())
    }

    fn surfaces(&self, size: Size) -> heapless::Vec<Surface, MOST_PLANES> {
        let Target {
            raw,
            lines,
            strides,
        } = self.target;
        surfaces(raw, size, lines, strides)
    }
}

fn copy_lines<'a>(from: &[u8], width: usize, into: impl Iterator<Item = &'a mut [u8]>) {
    for (line, target) in from.chunks(width.max(1)).zip(into) {
        let length = line.len().min(target.len());
        target[..length].copy_from_slice(&line[..length]);
    }
}

/// Where luma and chroma of a picture of `size` lie. `lines`: of luma, padding included.
fn surfaces(
    raw: Raw,
    size: Size,
    lines: u32,
    strides: [u32; MOST_PLANES],
) -> heapless::Vec<Surface, MOST_PLANES> {
    let (width, height) = (size.width as usize, size.height as usize);
    let (lines, half) = (lines as usize, height.div_ceil(2));
    let stride = |at: usize| strides[at] as usize;
    let surface = |plane, offset, stride, line, lines| Surface {
        plane,
        offset,
        stride,
        line,
        lines,
    };
    let luma = surface(0, 0, stride(0), width, height);
    let pairs = width.div_ceil(2) * 2;
    let behind = stride(0) * lines;
    let found: &[Surface] = match raw {
        Raw::Yuyv | Raw::Uyvy => &[surface(0, 0, stride(0), pairs * 2, height)],
        Raw::Nv12 => &[luma, surface(0, behind, stride(0), pairs, half)],
        Raw::Nm12 => &[luma, surface(1, 0, stride(1), pairs, half)],
        Raw::Yu12 => {
            let chroma = stride(0) / 2;
            let second = behind + chroma * lines.div_ceil(2);
            &[
                luma,
                surface(0, behind, chroma, pairs / 2, half),
                surface(0, second, chroma, pairs / 2, half),
            ]
        }
        Raw::Ym12 => &[
            luma,
            surface(1, 0, stride(1), pairs / 2, half),
            surface(2, 0, stride(2), pairs / 2, half),
        ],
    };
    found.iter().copied().collect()
}

/// The lines of a surface, each as long as its samples.
fn lines_of<'a>(
    planes: &'a mut [&mut [u8]],
    surface: Surface,
) -> Result<impl Iterator<Item = &'a mut [u8]>> {
    let Surface {
        plane,
        offset,
        stride,
        line,
        lines,
    } = surface;
    let short = || {
        let what = "the encoder's buffer is smaller than its format".to_owned();
        Error::new(Kind::Reopen, what)
    };
    let memory = planes.get_mut(plane).ok_or_else(short)?;
    let needed = stride * lines.saturating_sub(1) + line;
    let memory = memory.get_mut(offset..).ok_or_else(short)?;
    if memory.len() < needed || line > stride {
        return Err(short());
    }
    Ok(memory
        .chunks_mut(stride.max(1))
        .take(lines)
        .map(move |whole| {
            let length = line.min(whole.len());
            &mut whole[..length]
        }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Colour, Matrix};
    use crate::units::Rate;

    fn format(pixel: PixelFormat, width: u32, height: u32, stride: u32) -> Format {
        Format {
            pixel,
            size: Size::new(width, height),
            stride,
            rate: Rate::fps(30),
            colour: Colour {
                matrix: Matrix::Bt601,
                range: Range::Limited,
                srgb: true,
            },
        }
    }

    fn painted(source: Format, target: Target, frame: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
        let mut memory: Vec<Vec<u8>> = sizes.iter().map(|size| vec![0xEE; *size]).collect();
        let mut planes: Vec<&mut [u8]> = memory.iter_mut().map(Vec::as_mut_slice).collect();
        let mut painter = Painter::new(source, target).unwrap();
        painter.paint(frame, &mut planes).unwrap();
        memory
    }

    #[test]
    fn copying_moves_the_colours_behind_the_encoders_padding() {
        // 4x2 NV12 without padding, into lines of 8 bytes and 4 lines of luma.
        let target = Target {
            raw: Raw::Nv12,
            lines: 4,
            strides: [8; 3],
        };
        let frame = [1, 2, 3, 4, 5, 6, 7, 8, 10, 20, 11, 21];
        let memory = painted(format(PixelFormat::Nv12, 4, 2, 4), target, &frame, &[48]);
        assert_eq!(memory[0][..4], [1, 2, 3, 4]);
        assert_eq!(memory[0][8..12], [5, 6, 7, 8]);
        assert_eq!(memory[0][32..36], [10, 20, 11, 21]);
        assert!(
            memory[0][12..32].iter().all(|b| *b == 0xEE),
            "padding is left alone"
        );
    }

    #[test]
    fn one_memory_becomes_two_where_the_encoder_wants_planes_apart() {
        let target = Target {
            raw: Raw::Nm12,
            lines: 2,
            strides: [4; 3],
        };
        let frame = [1, 2, 3, 4, 5, 6, 7, 8, 10, 20, 11, 21];
        let memory = painted(format(PixelFormat::Nv12, 4, 2, 4), target, &frame, &[8, 4]);
        assert_eq!(memory[0], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(memory[1], [10, 20, 11, 21]);
    }

    #[test]
    fn packed_pixels_become_planar_for_an_encoder_that_takes_nothing_else() {
        let frame = [1, 10, 2, 20, 3, 12, 4, 22, 5, 10, 6, 20, 7, 12, 8, 22];
        let source = format(PixelFormat::Yuyv, 4, 2, 8);
        let mut target = Target {
            raw: Raw::Nv12,
            lines: 2,
            strides: [4; 3],
        };
        let memory = painted(source, target, &frame, &[12]);
        assert_eq!(memory[0], [1, 2, 3, 4, 5, 6, 7, 8, 10, 20, 12, 22]);
        target.raw = Raw::Yu12;
        let memory = painted(source, target, &frame, &[12]);
        assert_eq!(memory[0], [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 20, 22]);
        target.raw = Raw::Ym12;
        target.strides = [4, 2, 2];
        let memory = painted(source, target, &frame, &[8, 2, 2]);
        assert_eq!(
            (&memory[1][..], &memory[2][..]),
            (&[10, 12][..], &[20, 22][..])
        );
    }

    #[test]
    fn a_jpeg_is_decoded_into_the_encoders_buffer() {
        let jpeg = include_bytes!("../testdata/bars_420p.jpg");
        let size = {
            let at = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
            let side = |i: usize| u32::from(u16::from_be_bytes([jpeg[at + i], jpeg[at + i + 1]]));
            Size::new(side(7), side(5))
        };
        let mut source = format(PixelFormat::Mjpeg, size.width, size.height, 0);
        source.colour.range = Range::Full;
        let target = Target {
            raw: Raw::Nv12,
            lines: size.height,
            strides: [size.width; 3],
        };
        let mut painter = Painter::new(source, target).unwrap();
        assert_eq!(
            (painter.how(), painter.range()),
            (How::Decoded, Range::Limited)
        );
        let mut memory = vec![0; usize::try_from(size.pixels()).unwrap() * 3 / 2];
        painter.paint(jpeg, &mut [&mut memory]).unwrap();
        assert!(
            memory.iter().all(|b| (10..=245).contains(b)),
            "limited range"
        );
        let half = &jpeg[..jpeg.len() / 2];
        let error = painter.paint(half, &mut [&mut memory]).unwrap_err();
        assert_eq!(error.kind(), Kind::Transient);
    }

    #[test]
    fn a_frame_cut_off_and_a_buffer_too_small_are_told_apart() {
        let source = format(PixelFormat::Nv12, 4, 2, 4);
        let target = Target {
            raw: Raw::Nv12,
            lines: 2,
            strides: [4; 3],
        };
        let mut painter = Painter::new(source, target).unwrap();
        let mut memory = [0; 12];
        let cut = painter.paint(&[0; 11], &mut [&mut memory]).unwrap_err();
        assert_eq!(cut.kind(), Kind::Transient);
        let small = painter.paint(&[0; 12], &mut [&mut memory[..11]]);
        assert_eq!(small.unwrap_err().kind(), Kind::Reopen);
        let none = painter.paint(&[0; 12], &mut []);
        assert_eq!(none.unwrap_err().kind(), Kind::Reopen);
        let h264 = Painter::new(format(PixelFormat::H264, 4, 2, 0), target);
        assert_eq!(h264.unwrap_err().kind(), Kind::Refused);
    }
}
