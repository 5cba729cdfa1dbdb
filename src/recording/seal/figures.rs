//! What was sealed, as `/metrics` has it.

use crate::system::samples::Sample;

/// Since the service started, of one chain or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Recordings sealed.
    pub sealed: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Recordings that are finished and not sealed.
    pub waiting: u64,
    /// A chain is not as the box left it.
    pub broken: bool,
}

impl Figures {
    /// Of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            sealed: self.sealed.saturating_add(other.sealed),
            bytes: self.bytes.saturating_add(other.bytes),
            waiting: self.waiting.saturating_add(other.waiting),
            broken: self.broken || other.broken,
        }
    }

    /// For `/metrics`.
    #[must_use]
    pub fn samples(self) -> Vec<Sample> {
        let whole = Sample::whole;
        vec![
            whole(
                "camera_service_evidence_sealed_total",
                true,
                "Recordings whose digest was signed and chained.",
                self.sealed,
            ),
            whole(
                "camera_service_evidence_sealed_bytes_total",
                true,
                "Bytes of these recordings.",
                self.bytes,
            ),
            whole(
                "camera_service_evidence_waiting",
                false,
                "Finished recordings that are not sealed yet.",
                self.waiting,
            ),
            whole(
                "camera_service_evidence_broken",
                false,
                "1 when the chain was not as this box left it when it was read.",
                u64::from(self.broken),
            ),
        ]
    }
}
