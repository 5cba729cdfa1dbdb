//! Takes an input apart: numbers, pieces, lines.

/// What is left of an input. Beyond its end everything is zero or empty, so that every input means something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, left) = self.0.split_at(count.min(self.0.len()));
        self.0 = left;
        taken
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    pub(crate) fn number<const N: usize>(&mut self) -> u64 {
        self.bytes(N)
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    /// Up to the next line feed, which is taken, too.
    pub(crate) fn line(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == b'\n');
        let line = self.bytes(end.unwrap_or(self.0.len()));
        self.bytes(1);
        line
    }

    pub(crate) const fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Bytes as text; what is no UTF-8 is replaced.
pub(crate) fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// `bytes` in pieces, their lengths told by `cuts` in turn; the pieces together are `bytes`.
pub(crate) fn pieces<'a>(mut bytes: &'a [u8], cuts: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut cuts = cuts.iter().cycle();
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let length = cuts.next().map_or(bytes.len(), |cut| usize::from(*cut) + 1);
        let (piece, rest) = bytes.split_at(length.min(bytes.len()));
        bytes = rest;
        Some(piece)
    })
}
