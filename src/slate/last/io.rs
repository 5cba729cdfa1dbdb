//! Decodes with openh264. A shell, because it runs a foreign library.

use std::time::Duration;

use openh264::OpenH264API;
use openh264::decoder::{DecodeOptions, DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource;

use super::{Kept, check, copy};
use crate::clock::Mono;
use crate::encode::convert::Planar;
use crate::encode::h264::Contents;

/// Decodes a group of pictures, each an access unit in Annex B, the first one a key frame, and gives
/// its last picture in limited range. A unit that cannot be decoded ends the group: a device that is
/// unplugged often leaves half a frame behind, and the picture before it is the last one anybody saw.
/// After `patience`, told by `clock`, the picture decoded so far is taken.
///
/// `None` when there is no picture: the first unit is no key frame, cannot be decoded, or is larger
/// than 4K. Costs a decoder and its pictures in memory while it runs.
pub fn last_picture<'a>(
    group: impl IntoIterator<Item = &'a [u8]>,
    patience: Duration,
    clock: impl Fn() -> Mono,
) -> Option<Planar> {
    let begin = clock();
    let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
    let mut decoder = Decoder::with_api_config(OpenH264API::from_source(), config).ok()?;
    let mut kept = Kept { full_range: false };
    let mut last = None;
    for (number, unit) in group.into_iter().enumerate() {
        let late = number > 0 && clock().since(begin) >= patience;
        if late || (number == 0 && !Contents::of(unit).is_keyframe()) {
            break;
        }
        let Some(checked) = check(unit, kept) else {
            break;
        };
        kept = checked;
        match decoder.decode_with_options(unit, DecodeOptions::new()) {
            Ok(Some(picture)) => keep(&picture, kept, &mut last),
            Ok(None) => {}
            Err(_) => break,
        }
    }
    if let Ok(rest) = decoder.flush_remaining()
        && let Some(picture) = rest.last()
    {
        keep(picture, kept, &mut last);
    }
    last
}

fn keep(picture: &DecodedYUV<'_>, kept: Kept, last: &mut Option<Planar>) {
    let (luma, chroma, _) = picture.strides();
    let planes = [
        (picture.y(), luma),
        (picture.u(), chroma),
        (picture.v(), chroma),
    ];
    copy(planes, picture.dimensions(), kept, last);
}

#[cfg(test)]
mod tests;
