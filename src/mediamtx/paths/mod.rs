//! Decides what MediaMTX must be told about single paths, from what is wished and what it has.
//!
//! MediaMTX forgets everything that came through its control API whenever it starts or reads its
//! file again. So nobody tells it anything directly: a wish is kept here, and `io.rs` makes it true
//! again and again. A path that is wished for nothing special has no entry of its own: the camera
//! pattern in the configuration file covers it.
//!
//! Going from the pattern to an entry of one's own and back, and any change of `record*`, leaves
//! publisher and readers alone (`pathConfCanBeUpdated` in MediaMTX's `core/path_manager.go`: only
//! name, pattern and `record*` may differ). Any other change ends them, so nothing else is sent for
//! a path that is published to.

pub mod io;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::camera::CameraId;
use crate::error::Later;

/// The longest name of a path.
pub const LONGEST_NAME: usize = 64;

/// What the name of a camera's second path begins with. It exists only while a recording is made from it, and carries
/// the same pictures as the first one: `docs/design/0005-pre-event.md`.
const SECOND: &str = "event-";

/// The name of a camera's second path.
#[must_use]
pub fn second(camera: CameraId) -> String {
    format!("{SECOND}{camera}")
}

/// Whose second path this is, if it is one.
#[must_use]
pub fn camera_of_second(name: &str) -> Option<CameraId> {
    name.strip_prefix(SECOND)?.parse().ok()
}

/// A path that this service publishes to.
fn is_published(name: &str) -> bool {
    name.parse::<CameraId>().is_ok() || camera_of_second(name).is_some()
}

/// Whether a path may have this name: `^[a-z0-9_-]{1,64}$`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

/// The container MediaMTX records in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordFormat {
    /// Fragmented MP4.
    Fmp4,
    /// MPEG transport stream.
    MpegTs,
}

impl RecordFormat {
    /// MediaMTX's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fmp4 => "fmp4",
            Self::MpegTs => "mpegts",
        }
    }
}

/// How a path is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// MediaMTX's `recordPath`: must hold `%path` and `%s`, or `%path` and `%Y%m%d%H%M%S`; no extension.
    pub path: String,
    /// The container.
    pub format: RecordFormat,
    /// What is lost at most when the process dies.
    pub part: Duration,
    /// After so long a new file begins, at the next key frame; at most 24 h.
    pub segment: Duration,
    /// Bytes of one part at most.
    pub max_part_bytes: u64,
}

/// What is wished of one path. [`PathWish::default`] is: published by us, not recorded.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PathWish {
    /// `rtsp://…` or `rtsps://…` that MediaMTX pulls, credentials included; `None`: published by us.
    pub source: Option<String>,
    /// How it is recorded, if it is.
    pub record: Option<Record>,
}

impl fmt::Debug for PathWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PathWish")
            .field("source", &self.source.as_deref().map(without_credentials))
            .field("record", &self.record)
            .finish()
    }
}

/// Keeps wishes and makes them true. [`Paths`] is the way to use it.
pub trait Keeper: Send + Sync + fmt::Debug {
    /// Changes the wish for `name`; a name not wished for before begins with the default.
    fn change(&self, name: &str, change: Box<dyn FnOnce(&mut PathWish) + '_>);
    /// Ends the wish for `name`.
    fn forget(&self, name: &str);
    /// The wish for `name`.
    fn wished(&self, name: &str) -> Option<PathWish>;
    /// Waits until MediaMTX has what is wished for `name` now, or has not the entry when nothing is.
    fn settled(&self, name: &str, patience: Duration) -> Later<()>;
}

/// The wished configuration of MediaMTX's paths. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Paths(Arc<dyn Keeper>);

impl Paths {
    /// The handle of `keeper`.
    #[must_use]
    pub fn new(keeper: Arc<dyn Keeper>) -> Self {
        Self(keeper)
    }

    /// Changes what is wished for `name`; returns at once, MediaMTX is told soon after.
    ///
    /// Everyone touches only the part that is theirs: who records, `record`; who pulls, `source`. `change` must not
    /// use the handle.
    pub fn wish(&self, name: &str, change: impl FnOnce(&mut PathWish)) {
        self.0.change(name, Box::new(change));
    }

    /// Ends every wish for `name`. MediaMTX ends an external source with it; a camera goes on.
    pub fn forget(&self, name: &str) {
        self.0.forget(name);
    }

    /// What is wished for `name`.
    #[must_use]
    pub fn wished(&self, name: &str) -> Option<PathWish> {
        self.0.wished(name)
    }

    /// Waits until MediaMTX has taken what is wished for `name` at this moment.
    ///
    /// # Errors
    /// `Refused` with MediaMTX's words when it does not want it; `Gone` when it did not answer
    /// within `patience`. The wish stays, and is tried again.
    #[must_use]
    pub fn settled(&self, name: &str, patience: Duration) -> Later<()> {
        self.0.settled(name, patience)
    }
}

/// One entry of `GET /v3/config/paths/list`, as far as it is ours. Absent fields are MediaMTX's defaults.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PathConf {
    /// The entry's name; `~…` for a pattern.
    pub name: String,
    source: String,
    rtsp_transport: String,
    record: bool,
    record_path: String,
    record_format: String,
    record_part_duration: String,
    record_max_part_size: String,
    record_segment_duration: String,
    record_delete_after: String,
}

impl Default for PathConf {
    fn default() -> Self {
        Self {
            name: String::new(),
            source: PUBLISHER.to_owned(),
            rtsp_transport: String::new(),
            record: false,
            record_path: String::new(),
            record_format: String::new(),
            record_part_duration: String::new(),
            record_max_part_size: String::new(),
            record_segment_duration: String::new(),
            record_delete_after: String::new(),
        }
    }
}

impl fmt::Debug for PathConf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PathConf")
            .field("name", &self.name)
            .field("source", &without_credentials(&self.source))
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}

/// MediaMTX's word for a path that somebody publishes to.
const PUBLISHER: &str = "publisher";

/// One thing to tell MediaMTX.
#[derive(Clone, PartialEq)]
pub enum Operation {
    /// `POST /v3/config/paths/replace/{name}`: adds the entry, or makes an existing one exactly this.
    Put {
        /// The path.
        name: String,
        /// The whole entry.
        body: Value,
    },
    /// `DELETE /v3/config/paths/delete/{name}`.
    Delete {
        /// The path.
        name: String,
    },
}

impl Operation {
    /// The path it is about.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Put { name, .. } | Self::Delete { name } => name,
        }
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The body may hold a password.
            Self::Put { name, .. } => write!(f, "Put({name})"),
            Self::Delete { name } => write!(f, "Delete({name})"),
        }
    }
}

/// Whether this wish needs an entry of its own. A stream of somebody else without a source is none.
#[must_use]
pub fn needs_entry(name: &str, wish: &PathWish) -> bool {
    is_name(name) && (wish.source.is_some() || (wish.record.is_some() && is_published(name)))
}

/// What to tell MediaMTX so that `listed` becomes what is `wished`; nothing when it is.
///
/// Entries of names that are neither wished, nor `owned` (wished once), nor cameras are somebody else's and
/// never touched.
#[must_use]
pub fn decide(
    wished: &BTreeMap<String, PathWish>,
    owned: &BTreeSet<String>,
    listed: &[PathConf],
) -> Vec<Operation> {
    let entries: BTreeMap<&str, &PathConf> = listed.iter().map(|c| (c.name.as_str(), c)).collect();
    let needed = |name: &str| wished.get(name).is_some_and(|w| needs_entry(name, w));
    let ours = |name: &str| wished.contains_key(name) || owned.contains(name) || is_published(name);
    let puts = wished
        .iter()
        .filter(|(name, wish)| needs_entry(name, wish))
        .filter(|(name, wish)| !entries.get(name.as_str()).is_some_and(|c| has(c, wish)))
        .map(|(name, wish)| Operation::Put {
            name: name.clone(),
            body: body(wish),
        });
    let deletes = entries
        .keys()
        .filter(|name| is_name(name) && ours(name) && !needed(name))
        .map(|name| Operation::Delete {
            name: (*name).to_owned(),
        });
    deletes.chain(puts).collect()
}

/// The whole entry for a wish. What is not in it is `pathDefaults` of our configuration file.
fn body(wish: &PathWish) -> Value {
    // Never deleted by MediaMTX: an unsynchronised clock would make it delete everything.
    let mut body = json!({ "record": wish.record.is_some(), "recordDeleteAfter": "0s" });
    match &wish.source {
        // `sourceOnDemand` beside it would be refused.
        None => body["source"] = PUBLISHER.into(),
        Some(url) => {
            body["source"] = url.as_str().into();
            body["rtspTransport"] = "tcp".into();
            // A camera of somebody else may never send a sender report, and would then be dropped whole.
            body["useAbsoluteTimestamp"] = false.into();
        }
    }
    if let Some(record) = &wish.record {
        body["recordPath"] = record.path.as_str().into();
        body["recordFormat"] = record.format.as_str().into();
        body["recordPartDuration"] = millis(record.part).into();
        body["recordSegmentDuration"] = millis(record.segment).into();
        body["recordMaxPartSize"] = format!("{}B", record.max_part_bytes).into();
    }
    body
}

/// Whether the entry is what the wish makes.
fn has(entry: &PathConf, wish: &PathWish) -> bool {
    let source = wish.source.as_deref().unwrap_or(PUBLISHER);
    if entry.source != source || entry.record != wish.record.is_some() {
        return false;
    }
    if wish.source.is_some() && entry.rtsp_transport != "tcp" {
        return false;
    }
    let Some(record) = &wish.record else {
        return true;
    };
    entry.record_path == record.path
        && entry.record_format == record.format.as_str()
        && duration(&entry.record_part_duration) == Some(truncated(record.part))
        && duration(&entry.record_segment_duration) == Some(truncated(record.segment))
        // MediaMTX shows no time as an empty text.
        && duration(&entry.record_delete_after) == Some(Duration::ZERO)
        && shown_size(record.max_part_bytes) == entry.record_max_part_size
}

fn millis(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

fn truncated(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// Reads a duration as Go and MediaMTX write it: `1d2h3m4.5s`, `100ms`, or nothing for none.
fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
        ("d", 86400.0),
    ];
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let word = &rest[digits..];
        let end = word
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(word.len());
        let (_, factor) = UNITS.iter().find(|(unit, _)| *unit == &word[..end])?;
        seconds += number * factor;
        rest = &word[end..];
    }
    // Whole microseconds: what fractions of seconds lose in between is less.
    Duration::try_from_secs_f64((seconds * 1e6).round() / 1e6).ok()
}

/// A size as MediaMTX shows it: in the largest unit that fits, with at most one decimal.
fn shown_size(bytes: u64) -> String {
    let units = [(30, "G"), (20, "M"), (10, "K"), (0, "B")];
    if bytes == 0 {
        return "0B".to_owned();
    }
    let (shift, unit) = units
        .into_iter()
        .find(|(shift, _)| bytes >> shift > 0)
        .unwrap_or((0, "B"));
    #[expect(
        clippy::cast_precision_loss,
        reason = "shown with one decimal, as MediaMTX's own double is"
    )]
    let number = format!("{:.1}", bytes as f64 / (1_u64 << shift) as f64);
    format!("{}{unit}", number.strip_suffix(".0").unwrap_or(&number))
}

/// A URL as it may be shown: user name and password replaced by stars.
#[must_use]
pub fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://***@{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// `said` without the credentials of `url`, however it repeats them.
#[must_use]
pub fn scrubbed(said: &str, url: &str) -> String {
    let mut clean = said.replace(url, &without_credentials(url));
    let authority = url.split_once("://").map_or("", |(_, rest)| {
        rest.split(['/', '?', '#']).next().unwrap_or(rest)
    });
    if let Some((user_info, _)) = authority.rsplit_once('@') {
        let password = user_info.split_once(':').map_or("", |(_, p)| p);
        for secret in [user_info, password] {
            if !secret.is_empty() {
                clean = clean.replace(secret, "***");
            }
        }
    }
    clean
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
