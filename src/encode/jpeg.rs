//! Motion JPEG → planar 4:2:0 in limited range. Pure.
//!
//! Cameras bend JPEG: many leave out the Huffman tables (ITU-T T.81 Annex K.3 is understood), some
//! pad the buffer behind the end marker, some size the picture to whole blocks, and on a bad cable
//! all of them deliver halves. Whatever is damaged is one lost frame, never more.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::convert::{Planar, as_is, limit_chroma, limit_luma};
use crate::capture::Range;
use crate::error::{Error, Kind, Result};

/// Says "standard Huffman tables" to the decoder, as MJPEG in AVI files does.
const AVI1: [u8; 18] = *b"\xFF\xE0\x00\x10AVI1\0\0\0\0\0\0\0\0\0\0";
const START: [u8; 2] = [0xFF, 0xD8];
const END: [u8; 2] = [0xFF, 0xD9];

/// Decodes frame after frame into the same buffers.
#[derive(Debug, Default)]
pub struct Jpeg {
    /// Samples as the decoder gives them, components interleaved.
    samples: Vec<u8>,
    /// A frame with its tables announced.
    patched: Vec<u8>,
}

impl Jpeg {
    /// A decoder without buffers yet; they grow with the first frame.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes one frame into `picture`. Larger frames are cropped, `range` is what the samples
    /// mean (full, unless the driver says otherwise); the picture is limited range in any case.
    ///
    /// # Errors
    /// `Transient`: the frame is damaged or is not what the camera promised.
    pub fn decode(&mut self, frame: &[u8], range: Range, picture: &mut Planar) -> Result<()> {
        let frame = whole(frame)?;
        let frame = if has_tables(frame) {
            frame
        } else {
            self.patched.clear();
            self.patched.extend_from_slice(&START);
            self.patched.extend_from_slice(&AVI1);
            self.patched.extend_from_slice(&frame[START.len()..]);
            &self.patched
        };
        let (width, height) = picture.dimensions();
        // A block more than promised is padding; far more is a damaged header asking for memory.
        let options = DecoderOptions::default()
            .set_strict_mode(true)
            .set_max_width(width + 64)
            .set_max_height(height + 64)
            .jpeg_set_out_colorspace(ColorSpace::YCbCr);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(frame), options);
        decoder.decode_headers().map_err(|e| damaged(&e))?;
        let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
        if grey {
            decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::Luma));
        }
        let (w, h) = decoder.dimensions().unwrap_or_default();
        if w < width || h < height {
            return Err(Error::new(
                Kind::Transient,
                format!("the camera sent a JPEG of {w}x{h} instead of {width}x{height}"),
            ));
        }
        let needed = decoder.output_buffer_size().unwrap_or_default();
        self.samples.resize(needed, 0);
        decoder
            .decode_into(&mut self.samples)
            .map_err(|e| damaged(&e))?;
        match (grey, range) {
            (true, Range::Full) => spread::<1>(&self.samples, w, picture, limit_luma, as_is),
            (true, Range::Limited) => spread::<1>(&self.samples, w, picture, as_is, as_is),
            (false, Range::Full) => {
                spread::<3>(&self.samples, w, picture, limit_luma, limit_chroma);
            }
            (false, Range::Limited) => spread::<3>(&self.samples, w, picture, as_is, as_is),
        }
        Ok(())
    }
}

fn damaged(e: &zune_jpeg::errors::DecodeErrors) -> Error {
    Error::new(Kind::Transient, "a damaged JPEG frame").because(format!("{e:?}"))
}

/// The frame from its start to its end marker. The end marker cannot occur in coded data, so a
/// frame without one was cut off.
fn whole(frame: &[u8]) -> Result<&[u8]> {
    let end = frame.windows(END.len()).rposition(|pair| pair == END);
    match end {
        Some(at) if frame.starts_with(&START) => Ok(&frame[..at + END.len()]),
        _ => Err(Error::new(
            Kind::Transient,
            format!(
                "a JPEG frame of {} bytes lacks its {}",
                frame.len(),
                if end.is_some() { "start" } else { "end" }
            ),
        )),
    }
}

/// True when Huffman tables, or the marker that stands for them, precede the first scan.
fn has_tables(frame: &[u8]) -> bool {
    let mut at = START.len();
    while let Some([0xFF, marker, high, low]) = frame.get(at..at + 4) {
        match marker {
            0xFF => at += 1, // fill byte
            0xC4 => return true,
            0xDA => return false,
            0xE0 if frame[at + 4..].starts_with(b"AVI1\0") => return true,
            _ => at += 2 + usize::from(u16::from_be_bytes([*high, *low])),
        }
    }
    true // no scan at all: let the decoder find the words
}

/// Takes interleaved 4:4:4 (or grey) apart, averaging chroma over 2 × 2.
#[inline]
fn spread<const COMPONENTS: usize>(
    samples: &[u8],
    from_width: usize,
    picture: &mut Planar,
    luma: impl Fn(u8) -> u8,
    chroma: impl Fn(u8) -> u8,
) {
    let (width, _) = picture.dimensions();
    let [y, cb, cr] = &mut picture.planes;
    let lines = samples.chunks_exact(from_width * COMPONENTS);
    for (y, line) in y.chunks_exact_mut(width).zip(lines) {
        for (y, pixel) in y.iter_mut().zip(line.chunks_exact(COMPONENTS)) {
            *y = luma(pixel[0]);
        }
    }
    if COMPONENTS < 3 {
        cb.fill(128);
        cr.fill(128);
        return;
    }
    let pairs = samples.chunks_exact(from_width * COMPONENTS * 2);
    let planes = cb
        .chunks_exact_mut(width / 2)
        .zip(cr.chunks_exact_mut(width / 2));
    for ((cb, cr), pair) in planes.zip(pairs) {
        let (upper, lower) = pair.split_at(from_width * COMPONENTS);
        let blocks = upper
            .chunks_exact(2 * COMPONENTS)
            .zip(lower.chunks_exact(2 * COMPONENTS));
        for ((cb, cr), (a, b)) in cb.iter_mut().zip(cr).zip(blocks) {
            *cb = chroma(mean_of_four(a, b, 1, COMPONENTS));
            *cr = chroma(mean_of_four(a, b, 2, COMPONENTS));
        }
    }
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the mean of four bytes is a byte"
)]
fn mean_of_four(a: &[u8], b: &[u8], at: usize, next: usize) -> u8 {
    let sum = [a[at], a[at + next], b[at], b[at + next]]
        .map(u16::from)
        .iter()
        .sum::<u16>();
    ((sum + 2) / 4) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COLOUR: [(&str, &[u8]); 3] = [
        ("4:2:0", include_bytes!("testdata/bars_420p.jpg")),
        ("4:2:2", include_bytes!("testdata/bars_422p.jpg")),
        ("4:4:4", include_bytes!("testdata/bars_444p.jpg")),
    ];
    const GREY: &[u8] = include_bytes!("testdata/bars_grey.jpg");

    fn decoded(frame: &[u8]) -> Result<Planar> {
        let mut picture = Planar::new(96, 64);
        Jpeg::new().decode(frame, Range::Full, &mut picture)?;
        Ok(picture)
    }

    /// Y, Cb, Cr in the middle of bar `k` of seven.
    fn bar(picture: &Planar, k: usize) -> [u8; 3] {
        let (x, y) = ((2 * k + 1) * 96 / 14, 20);
        let [luma, cb, cr] = picture.planes();
        let c = y / 2 * 48 + x / 2;
        [luma[y * 96 + x], cb[c], cr[c]]
    }

    /// The same file as a camera without Huffman tables sends it.
    fn without_tables(frame: &[u8]) -> Vec<u8> {
        let (mut out, mut at) = (START.to_vec(), 2);
        while frame[at + 1] != 0xDA {
            let next = at + 2 + usize::from(u16::from_be_bytes([frame[at + 2], frame[at + 3]]));
            if frame[at + 1] != 0xC4 {
                out.extend_from_slice(&frame[at..next]);
            }
            at = next;
        }
        out.extend_from_slice(&frame[at..]);
        out
    }

    #[test]
    fn bars_come_out_in_limited_range_whatever_the_subsampling() {
        // 75 % bars of BT.601: grey, yellow, cyan, green, magenta, red, blue.
        let expected = [
            [180, 128, 128],
            [162, 44, 142],
            [131, 156, 44],
            [112, 72, 58],
            [84, 184, 198],
            [65, 100, 212],
            [35, 212, 114],
        ];
        for (name, file) in COLOUR {
            let picture = decoded(file).unwrap();
            for (k, expected) in expected.into_iter().enumerate() {
                let seen = bar(&picture, k);
                let near = seen.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 4);
                assert!(near, "{name} bar {k}: {seen:?} is not near {expected:?}");
            }
        }
    }

    #[test]
    fn a_grey_jpeg_has_neutral_chroma() {
        let picture = decoded(GREY).unwrap();
        assert!(bar(&picture, 0)[0] > bar(&picture, 6)[0] + 100);
        assert!(picture.planes()[1].iter().all(|v| *v == 128));
    }

    #[test]
    fn a_camera_that_leaves_out_the_huffman_tables_gives_the_same_picture() {
        for (name, file) in COLOUR {
            let bare = without_tables(file);
            assert!(bare.len() + 400 < file.len(), "{name}: nothing was removed");
            assert_eq!(decoded(&bare).unwrap(), decoded(file).unwrap(), "{name}");
        }
    }

    #[test]
    fn every_truncation_is_a_lost_frame_and_padding_is_none() {
        let (_, file) = COLOUR[1];
        for length in 0..file.len() {
            let error = decoded(&file[..length]).unwrap_err();
            assert_eq!(error.kind(), Kind::Transient, "{length} bytes");
        }
        let padded = [file, &[0; 700]].concat();
        assert_eq!(decoded(&padded).unwrap(), decoded(file).unwrap());
    }

    #[test]
    fn a_frame_smaller_than_promised_is_lost_and_a_larger_one_is_cropped() {
        let (_, file) = COLOUR[0];
        let mut large = Planar::new(98, 64);
        let error = Jpeg::new().decode(file, Range::Full, &mut large);
        assert_eq!(error.unwrap_err().kind(), Kind::Transient);
        let mut small = Planar::new(90, 50);
        Jpeg::new().decode(file, Range::Full, &mut small).unwrap();
        assert_eq!(
            small.planes()[0][89],
            decoded(file).unwrap().planes()[0][89]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn damage_never_panics(
            which in 0..4_usize, hits in proptest::collection::vec((0..4000_usize, any::<u8>()), 1..12),
        ) {
            let mut frame = COLOUR.get(which).map_or(GREY, |(_, file)| file).to_vec();
            let length = frame.len();
            for (at, value) in hits {
                frame[at % length] = value;
            }
            if let Err(error) = decoded(&frame) {
                prop_assert_eq!(error.kind(), Kind::Transient);
            }
        }
    }
}
