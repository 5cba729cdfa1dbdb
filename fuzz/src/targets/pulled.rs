//! The key frame out of a fragment that MediaMTX serves.

use camera_service::encode::h264::Contents;
use camera_service::snapshot::pulled::fmp4::{Init, Unusable};

use crate::input::Input;

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let length = usize::try_from(input.number::<2>()).unwrap();
    let head = input.bytes(length);
    let media = input.rest();
    match Init::read(head) {
        Ok(init) => {
            if let Some(unit) = init.key_picture(media) {
                assert!(Contents::of(&unit).is_keyframe());
                // A unit of one byte behind a length of one becomes five bytes.
                assert!(unit.len() <= 3 * data.len(), "{} bytes", unit.len());
            }
        }
        Err(Unusable::Codec(name)) => assert!(name.len() <= 40 && name.is_ascii()),
        Err(Unusable::Damaged) => {}
    }
}
