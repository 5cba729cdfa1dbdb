//! The address of a stream of somebody else, and the form of it that may be shown.

use std::fmt;
use std::str::FromStr;

/// Bytes of an address at most (§20.21 of the contract).
pub const LONGEST: usize = 2048;

/// Words before a `=` after which something secret follows, in a query or in the path itself: many cameras
/// want their password there.
const SECRETS: &[&str] = &[
    "password", "passwd", "pass", "pwd", "token", "secret", "key", "auth", "jwt", "user", "usr",
];

/// `rtsp://[user[:password]@]host[:port][/path][?query]`, or `rtsps://…`. Shown without what is secret.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamUrl {
    full: String,
    tls: bool,
    credentials: Option<String>,
    host: String,
    port: Option<u16>,
    /// Path and query; empty, or beginning with `/` or `?`.
    rest: String,
}

impl StreamUrl {
    /// Reads one.
    ///
    /// # Errors
    /// A sentence that says what is wrong and does not repeat the address.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| Err(what.to_owned());
        if text.len() > LONGEST {
            return Err(format!("it is longer than {LONGEST} characters"));
        }
        let plain = |b: u8| b.is_ascii_graphic() && !br#""<>\^`{|}#"#.contains(&b);
        if !text.bytes().all(plain) {
            return wrong(
                "it holds a character that must be written as %XX (spaces, quotes, # and everything beyond ASCII)",
            );
        }
        let Some((scheme, after)) = text.split_once("://") else {
            return wrong("it does not begin with rtsp:// or rtsps://");
        };
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "rtsp" => false,
            "rtsps" => true,
            _ => return wrong("it does not begin with rtsp:// or rtsps://"),
        };
        let end = after.find(['/', '?']).unwrap_or(after.len());
        let (authority, rest) = after.split_at(end);
        let (credentials, place) = match authority.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials.to_owned()), place),
            None => (None, authority),
        };
        if credentials.as_deref().is_some_and(|c| !is_user_info(c)) {
            return wrong(
                "its user name or password holds a character that must be written as %XX",
            );
        }
        if !escapes_are_whole(after) {
            return wrong("a % in it is not followed by two hexadecimal digits");
        }
        let (host, port) = host_and_port(place)?;
        Ok(Self {
            full: text.to_owned(),
            tls,
            credentials,
            host,
            port,
            rest: rest.to_owned(),
        })
    }

    /// With everything that is secret; for MediaMTX and the file only.
    #[must_use]
    pub fn full(&self) -> &str {
        &self.full
    }

    /// As it was given, less user name, password, and what looks like one in path and query.
    #[must_use]
    pub fn shown(&self) -> String {
        let scheme = if self.tls { "rtsps" } else { "rtsp" };
        let port = self.port.map_or_else(String::new, |p| format!(":{p}"));
        format!("{scheme}://{}{port}{}", self.host, masked(&self.rest))
    }

    /// What two addresses of the same stream have in common: [`StreamUrl::shown`] with the port spelt out.
    #[must_use]
    pub fn identity(&self) -> String {
        let scheme = if self.tls { "rtsps" } else { "rtsp" };
        let rest = masked(self.rest.trim_end_matches('/'));
        format!("{scheme}://{}:{}{rest}", self.host, self.port())
    }

    /// The TCP port, the scheme's own where none is given.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { 322 } else { 554 })
    }

    /// The path as it may be shown; `/` where there is none.
    #[must_use]
    pub fn path(&self) -> String {
        match masked(&self.rest) {
            path if path.is_empty() => "/".to_owned(),
            path => path,
        }
    }
}

impl FromStr for StreamUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl fmt::Debug for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// RFC 3986 §3.2.1.
fn is_user_info(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:%@".contains(&b))
}

fn escapes_are_whole(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        after
            .as_bytes()
            .get(..2)
            .is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    })
}

fn host_and_port(place: &str) -> Result<(String, Option<u16>), String> {
    let (host, after) = if let Some(inner) = place.strip_prefix('[') {
        let (address, after) = inner
            .split_once(']')
            .ok_or("the ] after its IPv6 address is missing")?;
        let address: std::net::Ipv6Addr = address
            .parse()
            .map_err(|_| "what stands in its [ ] is no IPv6 address")?;
        (format!("[{address}]"), after)
    } else {
        let end = place.find(':').unwrap_or(place.len());
        let (host, after) = place.split_at(end);
        let plain = (1..=253).contains(&host.len())
            && !host.starts_with(['-', '.'])
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if !plain {
            return Err("its host is neither a name nor an address".to_owned());
        }
        (host.to_ascii_lowercase(), after)
    };
    let port = match after.strip_prefix(':') {
        None if after.is_empty() => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(
            digits
                .parse::<u16>()
                .ok()
                .filter(|p| *p != 0)
                .ok_or("its port is not from 1 to 65535")?,
        ),
        _ => return Err("what follows its host is no port".to_owned()),
    };
    Ok((host, port))
}

/// Path and query with what follows a word of [`SECRETS`] replaced, up to the next `&`, `;`, `/` or `?`.
fn masked(rest: &str) -> String {
    let lower = rest.to_ascii_lowercase();
    let mut out = String::with_capacity(rest.len());
    let mut at = 0;
    while let Some(found) = lower[at..].find('=') {
        let equals = at + found;
        out.push_str(&rest[at..=equals]);
        at = equals + 1;
        if SECRETS.iter().any(|word| lower[..equals].ends_with(word)) {
            let end = rest[at..]
                .find(['&', ';', '/', '?'])
                .map_or(rest.len(), |end| at + end);
            out.push_str("***");
            at = end;
        }
    }
    out.push_str(&rest[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        StreamUrl::parse(text).unwrap().shown()
    }

    #[test]
    fn an_address_is_shown_as_it_was_given_less_what_is_secret() {
        for plain in [
            "rtsp://192.168.42.10:5554/subject",
            "rtsps://cam.local/a/b?channel=1&x",
            "rtsp://[fe80::1]:8554/",
            "rtsp://h",
        ] {
            assert_eq!(shown(plain), plain);
        }
        assert_eq!(shown("rtsp://ann:p%40ss@Cam/x"), "rtsp://cam/x");
        assert_eq!(shown("RTSP://ann@b:1/x"), "rtsp://b:1/x");
        assert_eq!(
            shown("rtsp://h/live?user=ann&password=geheim&channel=1"),
            "rtsp://h/live?user=***&password=***&channel=1"
        );
        assert_eq!(
            shown("rtsp://h/user=admin_password=geheim_channel=1.sdp/live"),
            "rtsp://h/user=***/live"
        );
    }

    #[test]
    fn the_same_stream_has_one_identity_whoever_logs_in() {
        let id = |text: &str| StreamUrl::parse(text).unwrap().identity();
        assert_eq!(id("rtsp://ann:1@H:554/x/"), id("RTSP://bob:2@h/x"));
        assert_ne!(id("rtsp://h/x"), id("rtsps://h/x"));
        assert_ne!(id("rtsp://h/x"), id("rtsp://h/X"));
    }

    #[test]
    fn what_is_no_address_of_a_stream_is_refused_without_repeating_it() {
        let long = format!("rtsp://h/{}", "a".repeat(LONGEST));
        for bad in [
            "",
            "rtsp:",
            "rtsp://",
            "http://h/geheim",
            "file:///etc/geheim",
            "rtsp://h:0/geheim",
            "rtsp://h:99999/geheim",
            "rtsp://h:8554x/geheim",
            "rtsp://ge heim@h/",
            "rtsp://h/ge\nheim",
            "rtsp://h/%zgeheim",
            "rtsp://[::1/geheim",
            "rtsp://-geheim/",
            "rtsp://a:geheim@/x",
            "rtsp://h/gehé",
            "rtsp://h/geheim#x",
            "publisher",
            "rtsp://a[b:geheim@h/",
            &long,
        ] {
            let said = StreamUrl::parse(bad).unwrap_err();
            assert!(!said.contains("geheim"), "{bad}: {said}");
        }
    }

    proptest! {
        #[test]
        fn no_password_is_ever_shown(
            password in "[A-Z0-9]{8,20}",
            user in "[a-z]{1,5}",
            host in "[a-z]{1,8}",
            path in "(/[a-z]{1,5}){0,3}",
            key in "(password|PassWord|pwd|token|api_key|passwd)",
        ) {
            for text in [
                format!("rtsp://{user}:{password}@{host}{path}"),
                format!("rtsp://{host}{path}?{key}={password}&a=b"),
                format!("rtsp://{host}{path}/x?a={user}&{key}={password}"),
                format!("rtsp://{password}@{host}{path}"),
            ] {
                let url = StreamUrl::parse(&text).unwrap();
                for shown in [url.shown(), url.identity(), url.path(), format!("{url:?}")] {
                    prop_assert!(!shown.contains(&password), "{shown}");
                }
                prop_assert_eq!(StreamUrl::parse(&url.shown()).unwrap().identity(), url.identity());
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(rtsps?://)?.{0,60}") {
            if let Ok(url) = StreamUrl::parse(&text) {
                prop_assert_eq!(url.full(), text.as_str());
                prop_assert!(StreamUrl::parse(&url.shown()).is_ok());
            }
        }
    }
}
