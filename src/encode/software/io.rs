//! The software route: openh264 on the CPU. The only route on a machine without an encoder chip.
//!
//! Constrained baseline, one slice a picture, no B-frames, no look-ahead: a frame that goes in
//! comes out at once. SPS and PPS stand in front of every IDR. The SPS says what the colours mean
//! (H.264 Annex E); the stream is always limited range.

use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, ColorPrimaries, Complexity, EncoderConfig, FrameRate, FrameType, IntraFramePeriod,
    MatrixCoefficients, Profile, RateControlMode, TransferCharacteristics, UsageType, VuiConfig,
};
use openh264::formats::YUVSlices;

use crate::capture::{Colour, Format, Frame, Matrix, PixelFormat};
use crate::encode::convert::{Planar, convert, planar_as_is};
use crate::encode::jpeg::Jpeg;
use crate::encode::{AccessUnit, Encoder, Route, Settings};
use crate::error::{Error, Kind, Result};

/// openh264 with everything a frame needs on its way into it.
pub struct Software {
    format: Format,
    encoder: openh264::encoder::Encoder,
    picture: Planar,
    jpeg: Jpeg,
    out: Vec<u8>,
    /// An IDR was asked for before the encoder could take the wish.
    idr_due: bool,
    started: bool,
}

/// Coded bytes a frame may have before the output buffer grows.
const OUT: usize = 256 * 1024;

impl Software {
    /// Prepares an encoder for raw or MJPEG frames of `format`.
    ///
    /// # Errors
    /// `Refused` for sizes that openh264 cannot code, `Internal` when it does not start.
    pub fn open(format: Format, settings: Settings) -> Result<Self> {
        let picture = Planar::new(format.size.width as usize, format.size.height as usize);
        let (width, height) = picture.dimensions();
        let (long, short) = (width.max(height), width.min(height));
        if short < 16 || long > 3840 || short > 2160 {
            return Err(Error::new(
                Kind::Refused,
                format!("openh264 cannot code pictures of {}", format.size),
            )
            .action("choose a size between 16x16 and 3840x2160"));
        }
        let mut encoder = openh264::encoder::Encoder::with_api_config(
            OpenH264API::from_source(),
            config(&format, settings),
        )
        .map_err(|e| Error::new(Kind::Internal, "openh264 does not start").because(e))?;
        // With every frame kept, it would warn at each start that the bit rate may be exceeded.
        crate::sys::openh264::silence(&mut encoder);
        Ok(Self {
            format,
            encoder,
            picture,
            jpeg: Jpeg::new(),
            out: Vec::with_capacity(OUT),
            idr_due: false,
            started: false,
        })
    }
}

fn config(format: &Format, settings: Settings) -> EncoderConfig {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a frame rate loses nothing that a rate control could notice"
    )]
    let rate = format.rate.as_f64() as f32;
    EncoderConfig::new()
        .profile(Profile::Baseline)
        .usage_type(UsageType::CameraVideoRealTime)
        .complexity(Complexity::Low)
        .rate_control_mode(RateControlMode::Bitrate)
        .bitrate(BitRate::from_bps(settings.bitrate.as_bps()))
        .max_frame_rate(FrameRate::from_hz(rate))
        .intra_frame_period(IntraFramePeriod::from_num_frames(settings.gop.max(1)))
        .skip_frames(false)
        .scene_change_detect(false)
        .num_threads(1)
        .vui(vui(format.colour))
}

/// What the SPS says about colour; the range is limited because [`convert`] makes it so.
fn vui(colour: Colour) -> VuiConfig {
    let (primaries, transfer) = match (colour.srgb, colour.matrix) {
        (true, _) => (ColorPrimaries::Bt709, TransferCharacteristics::Srgb),
        (false, Matrix::Bt709) => (ColorPrimaries::Bt709, TransferCharacteristics::Bt709),
        (false, Matrix::Bt601) => (
            ColorPrimaries::Smpte170M,
            TransferCharacteristics::Smpte170M,
        ),
    };
    VuiConfig::new()
        .color_primaries(primaries)
        .transfer_characteristics(transfer)
        .matrix_coefficients(match colour.matrix {
            Matrix::Bt601 => MatrixCoefficients::Smpte170M,
            Matrix::Bt709 => MatrixCoefficients::Bt709,
        })
        .full_range(false)
}

impl Encoder for Software {
    fn route(&self) -> Route {
        Route::Software
    }

    fn format(&self) -> Format {
        self.format
    }

    fn retune(&mut self, settings: Settings) -> Result<()> {
        // A new encoder costs a key frame and some milliseconds; openh264 can be told a bit rate, but not a key
        // frame distance, while it runs.
        *self = Self::open(self.format, settings)?;
        Ok(())
    }

    fn encode<'a>(
        &'a mut self,
        frame: &Frame<'a>,
        force_idr: bool,
    ) -> Result<Option<AccessUnit<'a>>> {
        self.idr_due |= force_idr;
        let (planes, luma, chroma) = match planar_as_is(&self.format, frame.data) {
            Some(found) => found,
            None => {
                if self.format.pixel == PixelFormat::Mjpeg {
                    let range = self.format.colour.range;
                    self.jpeg.decode(frame.data, range, &mut self.picture)?;
                } else {
                    convert(&self.format, frame.data, &mut self.picture)?;
                }
                let width = self.picture.dimensions().0;
                (self.picture.planes(), width, width / 2)
            }
        };
        let [y, cb, cr] = planes;
        let source = YUVSlices::new(
            (y, cb, cr),
            self.picture.dimensions(),
            (luma, chroma, chroma),
        );
        // The first picture is an IDR by itself, and openh264 takes no wishes before it.
        if self.idr_due && self.started {
            self.encoder.force_intra_frame();
        }
        let millis = frame.captured.as_nanos() / 1_000_000;
        let coded = self
            .encoder
            .encode_at(&source, openh264::Timestamp::from_millis(millis))
            .map_err(|e| Error::new(Kind::Reopen, "openh264 gave up").because(e))?;
        self.started = true;
        self.out.clear();
        coded.write_vec(&mut self.out);
        let keyframe = matches!(coded.frame_type(), FrameType::IDR);
        if self.out.is_empty() {
            return Ok(None);
        }
        self.idr_due &= !keyframe;
        Ok(Some(AccessUnit {
            data: &self.out,
            keyframe,
            captured: frame.captured,
        }))
    }
}

#[cfg(test)]
mod tests;
