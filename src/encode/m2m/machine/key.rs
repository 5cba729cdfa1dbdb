//! The wish for a key frame: told to the encoder once, and again only when it was not heard.

use super::words::Stamp;

/// Pictures after a wish before it is repeated: some encoders take it a few frames late, and asking
/// at every frame would make every frame a key frame.
pub(super) const PATIENCE: u32 = 8;

/// How the wish stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// There is none. Left by [`Wish::want`].
    Idle,
    /// To be told with the next frame. Left by [`Wish::told`].
    Wanted,
    /// Told. Left when a key frame came, or when too many others did.
    Told {
        /// Frames from this one on may be it; unknown until one went in.
        from: Option<Stamp>,
        /// Others that came since.
        passed: u32,
    },
    /// The encoder cannot be told: a key frame comes when it comes.
    Impossible,
}

impl Wish {
    /// Somebody needs one.
    pub(super) const fn want(&mut self) {
        if matches!(self, Self::Idle) {
            *self = Self::Wanted;
        }
    }

    /// The encoder was told, and took it or not.
    pub(super) fn told(&mut self, taken: bool) {
        if *self == Self::Wanted {
            *self = if taken {
                Self::Told {
                    from: None,
                    passed: 0,
                }
            } else {
                Self::Impossible
            };
        }
    }

    /// A frame went in.
    pub(super) const fn sent(&mut self, stamp: Stamp) {
        if let Self::Told { from, .. } = self
            && from.is_none()
        {
            *from = Some(stamp);
        }
    }

    /// A key frame came, or the encoder begins anew, with one.
    pub(super) fn fulfilled(&mut self) {
        if *self != Self::Impossible {
            *self = Self::Idle;
        }
    }

    /// A picture came that is none: was it the one that should be?
    pub(super) fn passed(&mut self, stamp: Stamp) {
        if let Self::Told {
            from: Some(from),
            passed,
        } = self
            && stamp >= *from
        {
            *passed += 1;
            if *passed >= PATIENCE {
                *self = Self::Wanted;
            }
        }
    }
}
