//! A decoded picture → JPEG. Pure.
//!
//! JPEG wants BT.601 in full range (JFIF 1.02); pictures come in limited range, of BT.601 or BT.709.

use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

use crate::capture::Matrix;
use crate::encode::convert::Planar;
use crate::encode::h264::{NalKind, nals};
use crate::encode::sps::Sps;
use crate::error::{Error, Kind, Result};

/// Of 100. Text stays legible, and 720p is some 150 kB.
const QUALITY: u8 = 85;

/// Fractional bits of the factors.
const SHIFT: i32 = 14;

/// From limited-range Y, Cb, Cr to full-range BT.601: the factors of luma, and of Cb and Cr in each of the three.
#[derive(Debug, Clone, Copy)]
struct Factors {
    luma: i32,
    into_y: [i32; 2],
    into_cb: [i32; 2],
    into_cr: [i32; 2],
}

impl Factors {
    /// The 255/219 and 255/224 of the range, and for BT.709 what follows from ITU-R BT.709-6 §3 and BT.601-7 §2.5: of
    /// normalised samples, Y gains 0.1016 Cb + 0.1961 Cr, Cb becomes 0.9899 Cb - 0.1107 Cr, Cr becomes
    /// 0.9834 Cr - 0.0725 Cb.
    const fn of(matrix: Matrix) -> Self {
        match matrix {
            Matrix::Bt601 => Self {
                luma: 19_077,
                into_y: [0, 0],
                into_cb: [18_651, 0],
                into_cr: [0, 18_651],
            },
            Matrix::Bt709 => Self {
                luma: 19_077,
                into_y: [1_895, 3_657],
                into_cb: [18_462, -2_064],
                into_cr: [-1_351, 18_342],
            },
        }
    }
}

/// What the stream says of its colours; what it does not say is guessed as players do, by the picture's height.
#[must_use]
pub fn matrix_of(unit: &[u8], lines: usize) -> Matrix {
    let sps = nals(unit)
        .find(|nal| NalKind::of(nal) == NalKind::Sps)
        .and_then(Sps::parse);
    // H.264 Table E-5.
    match sps.and_then(|sps| sps.colour).map(|colour| colour.matrix) {
        Some(1) => Matrix::Bt709,
        Some(4..=7) => Matrix::Bt601,
        _ if lines >= 720 => Matrix::Bt709,
        _ => Matrix::Bt601,
    }
}

struct Lines<'a> {
    picture: &'a Planar,
    factors: Factors,
    width: u16,
    height: u16,
}

impl ImageBuffer for Lines<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, line: u16, buffers: &mut [Vec<u8>; 4]) {
        let (width, line) = (usize::from(self.width), usize::from(line));
        let [luma, cb, cr] = self.picture.planes();
        let luma = luma.iter().skip(line * width).take(width);
        let chroma = cb
            .iter()
            .zip(cr)
            .skip(line / 2 * (width / 2))
            .take(width / 2);
        // Each chroma sample covers two columns.
        let chroma = chroma.flat_map(|pair| [pair, pair]);
        let Factors {
            luma: f,
            into_y,
            into_cb,
            into_cr,
        } = self.factors;
        for (y, (cb, cr)) in luma.zip(chroma) {
            let (y, cb, cr) = (
                i32::from(*y) - 16,
                i32::from(*cb) - 128,
                i32::from(*cr) - 128,
            );
            let [all, of_cb, of_cr, _] = buffers;
            all.push(sample(y * f + cb * into_y[0] + cr * into_y[1]));
            of_cb.push(sample(cb * into_cb[0] + cr * into_cb[1] + (128 << SHIFT)));
            of_cr.push(sample(cb * into_cr[0] + cr * into_cr[1] + (128 << SHIFT)));
        }
    }
}

/// Rounds and clamps.
fn sample(scaled: i32) -> u8 {
    let rounded = (scaled + (1 << (SHIFT - 1))) >> SHIFT;
    u8::try_from(rounded.clamp(0, 255)).unwrap_or(u8::MAX)
}

/// Codes a picture in limited range.
///
/// # Errors
/// `Refused` for a picture without pixels, or with more of them in a line than JPEG has.
pub fn encode(picture: &Planar, matrix: Matrix) -> Result<Vec<u8>> {
    let failed = |what: String| Error::new(Kind::Refused, what);
    let (width, height) = picture.dimensions();
    let side = |n: usize| u16::try_from(n).ok().filter(|n| *n > 0);
    let (Some(width), Some(height)) = (side(width), side(height)) else {
        return Err(failed(format!(
            "a picture of {width}x{height} cannot be a JPEG"
        )));
    };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let lines = Lines {
        picture,
        factors: Factors::of(matrix),
        width,
        height,
    };
    encoder
        .encode_image(lines)
        .map_err(|e| failed("the picture could not be coded".to_owned()).because(e))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zune_core::bytestream::ZCursor;
    use zune_core::colorspace::ColorSpace;
    use zune_core::options::DecoderOptions;
    use zune_jpeg::JpegDecoder;

    /// Codes a picture of one colour and gives its size and its middle pixel.
    fn decoded(
        samples: [u8; 3],
        matrix: Matrix,
        (width, height): (usize, usize),
    ) -> ((usize, usize), [u8; 3]) {
        let mut picture = Planar::new(width, height);
        for (plane, sample) in picture.planes_mut().into_iter().zip(samples) {
            plane.fill(sample);
        }
        let bytes = encode(&picture, matrix).unwrap();
        let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        let pixels = decoder.decode().unwrap();
        let middle = (height / 2 * width + width / 2) * 3;
        (
            decoder.dimensions().unwrap(),
            pixels[middle..middle + 3].try_into().unwrap(),
        )
    }

    fn near(found: [u8; 3], wanted: [u8; 3]) -> bool {
        found.iter().zip(wanted).all(|(f, w)| f.abs_diff(w) <= 3)
    }

    #[test]
    fn black_is_black_and_white_is_white() {
        for matrix in [Matrix::Bt601, Matrix::Bt709] {
            let (size, black) = decoded([16, 128, 128], matrix, (64, 48));
            assert_eq!(size, (64, 48));
            assert!(near(black, [0; 3]), "{black:?}");
            let (_, white) = decoded([235, 128, 128], matrix, (64, 48));
            assert!(near(white, [255; 3]), "{white:?}");
        }
    }

    #[test]
    fn red_is_the_same_red_whatever_matrix_it_was_coded_with() {
        // Pure red by BT.601-7 Table 3 and BT.709-6: Y, Cb, Cr in limited range.
        let (_, of_601) = decoded([81, 90, 240], Matrix::Bt601, (64, 48));
        let (_, of_709) = decoded([63, 102, 240], Matrix::Bt709, (64, 48));
        assert!(near(of_601, [254, 0, 0]), "{of_601:?}");
        assert!(near(of_709, [254, 0, 0]), "{of_709:?}");
        // The one taken for the other would be another colour.
        let (_, wrong) = decoded([63, 102, 240], Matrix::Bt601, (64, 48));
        assert!(!near(wrong, [254, 0, 0]), "{wrong:?}");
    }

    #[test]
    fn a_size_that_no_block_divides_stays_as_it_is() {
        assert_eq!(
            decoded([100, 128, 128], Matrix::Bt601, (650, 362)).0,
            (650, 362)
        );
        assert!(encode(&Planar::new(0, 0), Matrix::Bt601).is_err());
    }
}
