//! The component `security`: whether what access, TLS and the proof of recordings rest on can be used.

use super::assess::{Component, Finding, Verdict};
use super::catalogue::Fault;
use crate::system::alarms::{About, Alarm};

/// The component of that name.
pub(super) const NAME: &str = "security";

/// Judges. Pictures flow on whatever is wrong here, so nothing here makes the box unhealthy.
pub(super) fn security(alarms: &[Alarm]) -> Component {
    let findings = alarms.iter().map(|alarm| Finding {
        fault: match alarm.about {
            About::Credentials => Fault::CredentialsDamaged,
            About::CertificateEnding => Fault::CertificateEnding,
            About::CertificateEnded => Fault::CertificateEnded,
            About::CertificateRefused => Fault::CertificateRefused,
            About::Evidence => Fault::EvidenceBroken,
        },
        camera: None,
        verdict: Verdict::Degraded,
        cause: alarm.what.clone(),
        action: alarm.action.clone(),
        since: None,
    });
    let fine = "credentials, certificate and the evidence of recordings can be used";
    Component::new(NAME, findings.collect(), fine.to_owned())
}
