//! The component `security`: whether what access, TLS and the proof of recordings rest on can be used; and which fault an
//! alarm is.

use super::assess::{Component, Finding, Verdict};
use super::catalogue::Fault;
use crate::system::alarms::{About, Alarm};

/// The component of that name.
pub(super) const NAME: &str = "security";
/// The one that the medium belongs to.
pub(super) const STORAGE: &str = "storage";

/// Judges. Pictures flow on whatever is wrong here, so nothing here makes the box unhealthy.
pub(super) fn security(alarms: &[Alarm]) -> Component {
    let fine = "credentials, certificate and the evidence of recordings can be used";
    Component::new(NAME, findings(alarms, NAME), fine.to_owned())
}

/// What the alarms of one component mean.
pub(super) fn findings(alarms: &[Alarm], component: &str) -> Vec<Finding> {
    let ours = alarms.iter().filter_map(|alarm| {
        let (fault, of) = fault(alarm.about);
        (of == component).then(|| Finding {
            fault,
            camera: None,
            verdict: Verdict::Degraded,
            cause: alarm.what.clone(),
            action: alarm.action.clone(),
            since: None,
        })
    });
    ours.collect()
}

/// The fault that an alarm is, and the component it belongs to.
const fn fault(about: About) -> (Fault, &'static str) {
    match about {
        About::Credentials => (Fault::CredentialsDamaged, NAME),
        About::CertificateEnding => (Fault::CertificateEnding, NAME),
        About::CertificateEnded => (Fault::CertificateEnded, NAME),
        About::CertificateRefused => (Fault::CertificateRefused, NAME),
        About::Evidence => (Fault::EvidenceBroken, NAME),
        About::MediumGone => (Fault::StorageGone, STORAGE),
        About::MediumReadOnly => (Fault::StorageReadOnly, STORAGE),
        About::MediumFails => (Fault::StorageFailing, STORAGE),
        About::MediumFull => (Fault::StorageFull, STORAGE),
        About::QuotaShort => (Fault::QuotaShort, STORAGE),
        About::OffsiteFailing => (Fault::OffsiteFailing, STORAGE),
        About::OffsiteShed => (Fault::OffsiteShed, STORAGE),
        About::RecordingFlush => (Fault::RecordingUnflushed, STORAGE),
    }
}
