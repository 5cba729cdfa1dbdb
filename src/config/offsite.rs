//! The store that finished files are copied to.

use std::path::PathBuf;

use serde_json::Value;

use super::quota::Bytes;
use super::setting::Setting;
use crate::offsite::{Metered, Pick, Settings, Window};

/// Slower than this, one part of an upload would take more than five minutes.
const SLOWEST: u64 = 16 << 10;

/// The store that finished files are copied to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offsite {
    /// The bucket; empty = no copies.
    pub bucket: String,
    /// The store's address; empty = AWS's own.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// What the names of objects begin with.
    pub prefix: String,
    /// The file with the access key.
    pub key_file: PathBuf,
    /// PEM file of the authorities that the store's certificate may be from.
    pub ca_file: PathBuf,
    /// Which files.
    pub copy: Pick,
    /// Names that count as marked.
    pub names: Vec<String>,
    /// Whether snapshots are copied, too.
    pub snapshots: bool,
    /// Bytes a second at most; 0 = no limit.
    pub bytes_per_second: Bytes,
    /// The hours in which copies are made.
    pub window: Option<Window>,
    /// What happens on a metered link.
    pub metered: Metered,
    /// Interfaces that are metered.
    pub metered_links: Vec<String>,
    /// Whether limits on what is kept wait for the copy.
    pub keep_until_copied: bool,
}

impl Default for Offsite {
    fn default() -> Self {
        Self {
            bucket: String::new(),
            endpoint: String::new(),
            region: "us-east-1".to_owned(),
            prefix: String::new(),
            key_file: PathBuf::new(),
            // Where Debian, Buildroot and Yocto have them.
            ca_file: "/etc/ssl/certs/ca-certificates.crt".into(),
            copy: Pick::All,
            names: Vec::new(),
            snapshots: true,
            bytes_per_second: Bytes::default(),
            window: None,
            metered: Metered::Pause,
            metered_links: ["wwan*", "wwp*", "ppp*", "rmnet*"]
                .map(str::to_owned)
                .to_vec(),
            keep_until_copied: true,
        }
    }
}

impl Offsite {
    /// The same, as the copier wants it; `None` where no copies are to be made.
    #[must_use]
    pub fn settings(&self) -> Option<Settings> {
        (!self.bucket.is_empty()).then(|| Settings {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            credentials: self.key_file.clone(),
            authorities: self.ca_file.clone(),
            pick: self.copy,
            names: self.names.clone(),
            snapshots: self.snapshots,
            rate: self.bytes_per_second.limit(),
            window: self.window,
            metered: self.metered,
            metered_links: self.metered_links.clone(),
            keep: self.keep_until_copied,
        })
    }

    /// What is wrong with it, as key beneath the section and sentence.
    #[must_use]
    pub fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let endpoint = self.endpoint.trim_end_matches('/');
        let host = endpoint
            .strip_prefix("https://")
            .or_else(|| endpoint.strip_prefix("http://"));
        let plain = |host: &str| !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']);
        if !endpoint.is_empty() && !host.is_some_and(plain) {
            found.push((
                "endpoint",
                "must be https://host or https://host:port, without bucket and key".to_owned(),
            ));
        }
        let named = |text: &str| {
            let fine = |b: u8| b.is_ascii_alphanumeric() || b"-._/".contains(&b);
            text.bytes().all(fine) && !text.contains("..") && !text.contains("//")
        };
        if !named(&self.bucket) || self.bucket.contains('/') {
            found.push((
                "bucket",
                "must be the name of a bucket: letters, digits, - and .".to_owned(),
            ));
        }
        if !named(&self.prefix) || self.prefix.len() > 200 {
            found.push((
                "prefix",
                "must be letters, digits, -, _, . and / between them; 200 bytes at most".to_owned(),
            ));
        }
        if self.region.is_empty() || !named(&self.region) {
            found.push(("region", "must be the name of a region".to_owned()));
        }
        let rate = self.bytes_per_second.0;
        if rate != 0 && rate < SLOWEST {
            found.push((
                "bytes_per_second",
                format!("must be 0, or {SLOWEST} or more"),
            ));
        }
        found
    }
}

impl Setting for Pick {
    fn parse(value: &Value) -> Result<Self, String> {
        let word = value.as_str().unwrap_or_default();
        let known = Self::ALL.into_iter().find(|pick| pick.as_str() == word);
        known.ok_or_else(|| format!("expected all or marked, found {value}"))
    }
    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

impl Setting for Metered {
    fn parse(value: &Value) -> Result<Self, String> {
        let word = value.as_str().unwrap_or_default();
        let known = Self::ALL.into_iter().find(|rule| rule.as_str() == word);
        known.ok_or_else(|| format!("expected pause or allow, found {value}"))
    }
    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

impl Setting for Option<Window> {
    fn parse(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(None),
            Value::String(text) if text.trim().is_empty() => Ok(None),
            Value::String(text) => text.parse().map(Some),
            _ => Err(format!(
                "expected hours in UTC such as \"22:00-05:30\", found {value}"
            )),
        }
    }
    fn show(&self) -> String {
        self.map_or_else(|| "\"\"".to_owned(), |window| format!("\"{window}\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_is_copied_unless_a_bucket_is_named() {
        let mut offsite = Offsite::default();
        assert_eq!(offsite.settings(), None);
        offsite.bucket = "cameras".to_owned();
        assert!(offsite.settings().unwrap().keep);
        assert!(offsite.mistakes().is_empty());
    }

    #[test]
    fn an_address_with_a_key_or_a_bucket_in_it_is_refused() {
        let mut offsite = Offsite::default();
        for bad in [
            "s3.example.org",
            "https://",
            "https://key:secret@host",
            "https://host/bucket",
        ] {
            offsite.endpoint = bad.to_owned();
            assert_eq!(offsite.mistakes()[0].0, "endpoint", "{bad}");
        }
        for good in [
            "",
            "https://host",
            "http://127.0.0.1:9000/",
            "https://[::1]:9000",
        ] {
            offsite.endpoint = good.to_owned();
            assert!(offsite.mistakes().is_empty(), "{good}");
        }
        offsite.prefix = "../x".to_owned();
        offsite.bytes_per_second = Bytes(100);
        offsite.bucket = "a/b".to_owned();
        let keys: Vec<_> = offsite.mistakes().into_iter().map(|m| m.0).collect();
        assert_eq!(keys, ["bucket", "prefix", "bytes_per_second"]);
    }

    #[test]
    fn what_is_shown_is_read_again() {
        let window = Option::<Window>::parse(&json!("22:00-05:30")).unwrap();
        assert_eq!(window.show(), "\"22:00-05:30\"");
        assert_eq!(Option::<Window>::parse(&json!("")).unwrap(), None);
        assert_eq!(Pick::parse(&json!("marked")).unwrap().show(), "marked");
        assert_eq!(Metered::parse(&json!("allow")).unwrap().show(), "allow");
        assert!(Pick::parse(&json!("some")).is_err());
        assert!(Option::<Window>::parse(&json!(7)).is_err());
    }
}
