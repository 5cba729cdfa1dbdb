//! The component `security`: whether what access and TLS rest on can be used.

use super::assess::{Component, Finding, Verdict};
use super::catalogue::Fault;
use crate::system::alarms::{About, Alarm};

/// The component of that name.
pub(super) const NAME: &str = "security";

/// What an alarm is in a report.
pub(super) fn finding(fault: Fault, alarm: &Alarm) -> Finding {
    Finding {
        fault,
        camera: None,
        verdict: Verdict::Degraded,
        cause: alarm.what.clone(),
        action: alarm.action.clone(),
        since: None,
    }
}

/// Judges. Pictures flow on whatever is wrong here, so nothing here makes the box unhealthy.
pub(super) fn security(alarms: &[Alarm]) -> Component {
    let findings = alarms.iter().filter_map(|alarm| {
        let fault = match alarm.about {
            About::Credentials => Fault::CredentialsDamaged,
            About::CertificateEnding => Fault::CertificateEnding,
            About::CertificateEnded => Fault::CertificateEnded,
            About::CertificateRefused => Fault::CertificateRefused,
            // The component `storage` tells it.
            About::RecordingFlush => return None,
        };
        Some(finding(fault, alarm))
    });
    let fine = "credentials and certificate can be used";
    Component::new(NAME, findings.collect(), fine.to_owned())
}
