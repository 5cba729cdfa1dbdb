//! Until when a certificate is good, and what to say before it is not.

use p256::pkcs8::der::asn1::{GeneralizedTime, UtcTime};
use p256::pkcs8::der::{AnyRef, Decode, Reader, SliceReader, Tag, Tagged};

use crate::clock::Wall;
use crate::system::alarms::{About, Alarm};

/// People are told so many days before the end.
pub const WARN_DAYS: u64 = 30;

const DAY: u64 = 86_400;

/// The end of a certificate's validity (RFC 5280 §4.1.2.5), read from its DER form; `None` where it is none.
#[must_use]
pub fn ends(certificate: &[u8]) -> Option<Wall> {
    let certificate = inside(&mut SliceReader::new(certificate).ok()?)?;
    let to_be_signed = inside(&mut SliceReader::new(certificate.value()).ok()?)?;
    let mut fields = SliceReader::new(to_be_signed.value()).ok()?;
    // [0] version, which the oldest form leaves out; serial number, signature, issuer; validity.
    let first = AnyRef::decode(&mut fields).ok()?;
    let before_validity = if first.tag() == Tag::Integer { 2 } else { 3 };
    for _ in 0..before_validity {
        AnyRef::decode(&mut fields).ok()?;
    }
    let validity = inside(&mut fields)?;
    let mut times = SliceReader::new(validity.value()).ok()?;
    AnyRef::decode(&mut times).ok()?;
    let until = AnyRef::decode(&mut times).ok()?;
    let since_1970 = match until.tag() {
        Tag::UtcTime => until.decode_as::<UtcTime>().ok()?.to_unix_duration(),
        _ => until
            .decode_as::<GeneralizedTime>()
            .ok()?
            .to_unix_duration(),
    };
    Some(Wall::from_secs(since_1970.as_secs()))
}

fn inside<'a>(reader: &mut impl Reader<'a>) -> Option<AnyRef<'a>> {
    AnyRef::decode(reader)
        .ok()
        .filter(|any| any.tag() == Tag::Sequence)
}

/// What to say at `now` about a certificate of `file` that ends at `ends`; `None` while it is good for long.
/// `ours`: the service made it and makes another one when it is gone.
#[must_use]
pub fn outlook(file: &str, ours: bool, ends: Option<Wall>, now: Wall) -> Option<Alarm> {
    let ends = ends?;
    let left = ends.as_secs().saturating_sub(now.as_secs());
    let (about, what) = if ends <= now {
        let what = format!(
            "the TLS certificate {file} ended at {}; clients refuse it",
            ends.rfc3339()
        );
        (About::CertificateEnded, what)
    } else if left <= WARN_DAYS * DAY {
        let days = left / DAY;
        let what = format!(
            "the TLS certificate {file} ends in {days} day(s), at {}",
            ends.rfc3339()
        );
        (About::CertificateEnding, what)
    } else {
        return None;
    };
    let action = if ours {
        "put a new certificate with its key in its place, which is taken within two seconds; or delete both files and restart, and clients must trust a new one"
    } else {
        "put a new certificate with its key in its place; it is taken within two seconds, and nobody is cut off"
    };
    Some(Alarm {
        about,
        what,
        action: action.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::tls::{make, names};
    use proptest::prelude::*;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    const NOW: Wall = Wall::from_secs(1_800_000_000);

    fn der(now: Wall) -> Vec<u8> {
        let made = make(&names("box", []), now).unwrap();
        CertificateDer::from_pem_slice(made.certificate.as_bytes())
            .unwrap()
            .to_vec()
    }

    #[test]
    fn the_end_is_the_one_it_was_made_with_before_and_after_2050() {
        let ten_years = 3653 * DAY;
        let end = NOW.as_secs() + ten_years;
        assert_eq!(ends(&der(NOW)), Some(Wall::from_secs(end)));
        // From 2050 on certificates write time in another form.
        let late = Wall::from_secs(2_500_000_000);
        let end = late.as_secs() + ten_years;
        assert_eq!(ends(&der(late)), Some(Wall::from_secs(end)));
    }

    #[test]
    fn people_hear_of_the_end_thirty_days_before_and_when_it_has_come() {
        let end = Wall::from_secs(NOW.as_secs() + 100 * DAY);
        let at = |days: u64| {
            let now = Wall::from_secs(NOW.as_secs() + days * DAY);
            outlook("/etc/tls.pem", false, Some(end), now)
        };
        assert_eq!(at(0), None);
        assert_eq!(at(69), None);
        let soon = at(70).unwrap();
        assert_eq!(soon.about, About::CertificateEnding);
        assert!(
            soon.what.contains("/etc/tls.pem ends in 30 day"),
            "{}",
            soon.what
        );
        assert!(soon.action.contains("put a new certificate"));
        assert_eq!(at(99).unwrap().about, About::CertificateEnding);
        assert_eq!(at(100).unwrap().about, About::CertificateEnded);
        assert_eq!(at(5000).unwrap().about, About::CertificateEnded);
        assert_eq!(outlook("x", true, None, NOW), None);
    }

    proptest! {
        #[test]
        fn no_bytes_and_no_damage_make_it_panic(
            noise in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..400, with: u8,
        ) {
            let _ = ends(&noise);
            let mut broken = der(NOW);
            let at = at % broken.len();
            broken[at] = with;
            let _ = ends(&broken);
            broken.truncate(at);
            prop_assert_eq!(ends(&broken), None);
        }
    }
}
