//! What parts of the service know to be wrong with themselves and no figure shows: a damaged file, a certificate
//! that ends.
//!
//! Whoever knows is asked when health is asked, answers from memory, and never waits.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use crate::clock::Wall;

/// What it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The file of API keys and revocations, or a trusted key, cannot be used as it lies there.
    Credentials,
    /// The certificate of the secure door ends soon.
    CertificateEnding,
    /// It has ended.
    CertificateEnded,
    /// Its files were changed to something that cannot be used; the former one is shown.
    CertificateRefused,
    /// Growing recordings are not, or not in time, on the medium.
    RecordingFlush,
    /// The medium of the recordings is away.
    MediumGone,
    /// It cannot be written to.
    MediumReadOnly,
    /// It does not keep what is written to it.
    MediumFails,
    /// It is so full that no recording may begin.
    MediumFull,
    /// A limit on what is kept cannot be held.
    QuotaShort,
    /// The chain that proves recordings is not as this box left it.
    Evidence,
    /// Off-site copies cannot be made.
    OffsiteFailing,
    /// Files were deleted before their off-site copies were made.
    OffsiteShed,
}

/// Something that is wrong now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What it is about.
    pub about: About,
    /// What is wrong, with the file's name.
    pub what: String,
    /// What a person should do next.
    pub action: String,
}

type Teller = Box<dyn Fn(Wall) -> Vec<Alarm> + Send + Sync>;

/// Whom to ask.
#[derive(Default)]
pub struct Alarms(RwLock<Vec<Teller>>);

impl fmt::Debug for Alarms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Alarms")
    }
}

impl Alarms {
    /// From now on `teller` is asked, too. It must answer from memory.
    pub fn ask(&self, teller: impl Fn(Wall) -> Vec<Alarm> + Send + Sync + 'static) {
        let mut tellers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        tellers.push(Box::new(teller));
    }

    /// Everything that is wrong at `now`.
    #[must_use]
    pub fn now(&self, now: Wall) -> Vec<Alarm> {
        let tellers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        tellers.iter().flat_map(|teller| teller(now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_who_knows_something_is_asked_each_time() {
        let alarms = Alarms::default();
        assert!(alarms.now(Wall::from_secs(9)).is_empty());
        alarms.ask(|now| {
            let late = now >= Wall::from_secs(5);
            late.then(|| Alarm {
                about: About::CertificateEnded,
                what: format!("ended at {}", now.as_secs()),
                action: "put a new one in place".to_owned(),
            })
            .into_iter()
            .collect()
        });
        assert!(alarms.now(Wall::from_secs(4)).is_empty());
        assert_eq!(alarms.now(Wall::from_secs(5))[0].what, "ended at 5");
    }
}
