//! `ISVCEncoder::SetOption(ENCODER_OPTION_TRACE_LEVEL)`: what openh264 writes to standard error.

use openh264::encoder::Encoder;
use openh264_sys2::{ENCODER_OPTION_TRACE_LEVEL, WELS_LOG_QUIET};

/// Silences openh264's own messages. Call before the first frame: the library speaks while it
/// initialises, before the safe interface can set a level.
pub fn silence(encoder: &mut Encoder) {
    let mut level = WELS_LOG_QUIET;
    // SAFETY: the encoder is alive for the whole call, and this option reads one int, which
    // `level` is, and keeps no pointer to it.
    let refused = unsafe {
        encoder
            .raw_api()
            .set_option(ENCODER_OPTION_TRACE_LEVEL, (&raw mut level).cast())
    };
    // A refusal costs one line on standard error and nothing else.
    debug_assert_eq!(refused, 0);
}
