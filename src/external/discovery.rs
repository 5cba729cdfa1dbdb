//! Decides where to look for streams and what is known of those that were found.
//!
//! Only addresses of the configuration are ever asked: a client can start a look, not choose its target.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::time::Duration;

use super::Kind;
use crate::clock::{Mono, Wall};

/// The largest range: 1,024 addresses.
pub const WIDEST: u8 = 22;
/// Address and port pairs of one scan at most.
pub const MOST_TARGETS: usize = 4096;
/// Paths asked for at one port at most.
pub const MOST_PATHS: usize = 16;
/// Finds remembered at most; the oldest are forgotten first.
pub const MOST_FINDS: usize = 256;
/// A find that did not answer for so long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);
/// A result this young is given again to whoever does not insist on a new one.
pub const FRESH: Duration = Duration::from_secs(30);

/// An IPv4 range such as `192.168.42.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    base: Ipv4Addr,
    bits: u8,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let odd = || format!("{text:?} is no range such as 192.168.42.0/24");
        let (base, bits) = text.split_once('/').ok_or_else(odd)?;
        let base: Ipv4Addr = base.parse().map_err(|_| odd())?;
        let bits: u8 = bits.parse().ok().filter(|b| *b <= 32).ok_or_else(odd)?;
        if bits < WIDEST {
            return Err(format!(
                "{text} is too wide to be asked: at most /{WIDEST}, {} addresses",
                1_u32 << (32 - WIDEST)
            ));
        }
        let mask = u32::MAX.checked_shl(u32::from(32 - bits)).unwrap_or(0);
        if u32::from(base) & !mask != 0 {
            return Err(format!(
                "{text} is no range: write {}/{bits}",
                Ipv4Addr::from(u32::from(base) & mask)
            ));
        }
        Ok(Self { base, bits })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

impl Range {
    /// The addresses a host can have: without those of the network itself and of all its hosts.
    fn hosts(self) -> impl Iterator<Item = Ipv4Addr> {
        let size = 1_u32 << (32 - u32::from(self.bits));
        let ends = u32::from(size > 2);
        let base = u32::from(self.base);
        (ends..size - ends).map(move |n| Ipv4Addr::from(base + n))
    }
}

/// Where Skydio drones are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skydio {
    /// Whether at all.
    pub enabled: bool,
    /// Where.
    pub network_ranges: Vec<Range>,
    /// Port of the colour camera.
    pub eo_port: u16,
    /// Port of the thermal camera.
    pub ir_port: u16,
    /// Path of the colour camera.
    pub eo_stream_path: String,
    /// Path of the thermal camera.
    pub ir_stream_path: String,
    /// Whether the thermal camera is looked for, too.
    pub enable_both_streams: bool,
    /// Addresses asked first.
    pub known_ips: Vec<IpAddr>,
}

impl Default for Skydio {
    fn default() -> Self {
        Self {
            enabled: true,
            network_ranges: vec![Range {
                base: Ipv4Addr::new(192, 168, 42, 0),
                bits: 24,
            }],
            eo_port: 5554,
            ir_port: 6554,
            eo_stream_path: "/subject".to_owned(),
            ir_stream_path: "/infrared".to_owned(),
            enable_both_streams: true,
            known_ips: vec![IpAddr::V4(Ipv4Addr::new(192, 168, 42, 10))],
        }
    }
}

/// Where other drones and cameras are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generic {
    /// Whether at all.
    pub enabled: bool,
    /// Where.
    pub network_ranges: Vec<Range>,
    /// At which ports.
    pub common_ports: Vec<u16>,
    /// Under which paths.
    pub stream_paths: Vec<String>,
    /// Addresses asked first.
    pub known_ips: Vec<IpAddr>,
}

impl Default for Generic {
    fn default() -> Self {
        Self {
            enabled: false,
            network_ranges: Vec::new(),
            common_ports: vec![554, 8554],
            stream_paths: ["/stream", "/live", "/video"].map(str::to_owned).into(),
            known_ips: Vec::new(),
        }
    }
}

/// Everything a scan is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether anything is looked for at all.
    pub enabled: bool,
    /// From the end of one scan to the next; zero: on demand only.
    pub interval: Duration,
    /// A whole scan takes no longer.
    pub budget: Duration,
    /// Addresses asked at the same time.
    pub concurrent: usize,
    /// Whether the service looks when it starts.
    pub at_start: bool,
    /// Skydio drones.
    pub skydio: Skydio,
    /// Others.
    pub generic: Generic,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: false,
            interval: Duration::ZERO,
            budget: Duration::from_secs(10),
            concurrent: 64,
            at_start: false,
            skydio: Skydio::default(),
            generic: Generic::default(),
        }
    }
}

impl Settings {
    /// What is wrong with them, as key and sentence.
    #[must_use]
    pub fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let paths = [
            (
                "skydio",
                vec![&self.skydio.eo_stream_path, &self.skydio.ir_stream_path],
            ),
            ("generic_uav", self.generic.stream_paths.iter().collect()),
        ];
        for (key, paths) in paths {
            if paths.len() > MOST_PATHS {
                found.push((key, format!("more than {MOST_PATHS} paths")));
            }
            if let Some(bad) = paths.iter().find(|p| !is_path(p)) {
                found.push((key, format!("{bad:?} is no path such as /live")));
            }
        }
        if self.generic.common_ports.contains(&0)
            || self.skydio.eo_port == 0
            || self.skydio.ir_port == 0
        {
            found.push(("generic_uav", "there is no port 0".to_owned()));
        }
        let all = self.targets().len();
        if all > MOST_TARGETS {
            found.push((
                "generic_uav",
                format!(
                    "{all} addresses and ports in all are too many to ask, at most {MOST_TARGETS}"
                ),
            ));
        }
        found
    }

    /// What to ask, in this order: known addresses first, and each address and port once.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        let mut all = Vec::new();
        let mut taken = BTreeSet::new();
        let mut add = |ip: IpAddr, port: u16, kind: Kind, paths: Vec<(String, View)>| {
            if taken.insert((ip, port)) {
                all.push(Target {
                    ip,
                    port,
                    kind,
                    paths,
                });
            }
        };
        let hosts = |known: &[IpAddr], ranges: &[Range]| -> Vec<IpAddr> {
            let ranges = ranges.iter().flat_map(|r| r.hosts()).map(IpAddr::V4);
            known.iter().copied().chain(ranges).collect()
        };
        if self.skydio.enabled {
            let s = &self.skydio;
            for ip in hosts(&s.known_ips, &s.network_ranges) {
                let eo = (s.eo_stream_path.clone(), View::Colour);
                let ir = (s.ir_stream_path.clone(), View::Thermal);
                match s.enable_both_streams {
                    true if s.eo_port == s.ir_port => {
                        add(ip, s.eo_port, Kind::Skydio, vec![eo, ir]);
                    }
                    both => {
                        add(ip, s.eo_port, Kind::Skydio, vec![eo]);
                        if both {
                            add(ip, s.ir_port, Kind::Skydio, vec![ir]);
                        }
                    }
                }
            }
        }
        if self.generic.enabled {
            let g = &self.generic;
            for ip in hosts(&g.known_ips, &g.network_ranges) {
                for port in &g.common_ports {
                    let paths = g.stream_paths.iter();
                    let paths = paths.map(|p| (p.clone(), View::Unknown)).collect();
                    add(ip, *port, Kind::Generic, paths);
                }
            }
        }
        all
    }
}

fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && path.len() <= 128
        && path
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/-._~=&?%".contains(&b))
}

/// What a stream shows, where its address says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    /// What eyes see; the contract's "eo".
    Colour,
    /// Warmth; the contract's "ir".
    Thermal,
    /// Nobody said.
    Unknown,
}

impl View {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Colour => "eo",
            Self::Thermal => "ir",
            Self::Unknown => "unknown",
        }
    }
}

/// One address and port to ask, and for which paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whom.
    pub ip: IpAddr,
    /// At which port.
    pub port: u16,
    /// What is expected there.
    pub kind: Kind,
    /// For what.
    pub paths: Vec<(String, View)>,
}

/// What a stream said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Media {
    /// The video codec in lower case: `h264`, `h265`, `mpegts`, …
    pub codec: &'static str,
    /// Metadata beside the picture: `klv`, or `none` where the description names none.
    pub metadata: &'static str,
}

/// One stream that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Find {
    /// Its address; holds no credentials.
    pub url: String,
    /// A name it could be added under.
    pub name: String,
    /// What was looked for.
    pub kind: Kind,
    /// What it shows.
    pub view: View,
    /// Its port.
    pub port: u16,
    /// Its path.
    pub path: String,
    /// What it said of itself.
    pub media: Media,
    /// When it was first found.
    pub discovered: Wall,
    /// When it last answered.
    pub last_seen: Wall,
    /// Whether it answered in the latest scan.
    pub online: bool,
}

impl Find {
    /// A stream that answered now.
    #[must_use]
    pub fn new(target: &Target, path: &str, view: View, media: Media, now: Wall) -> Self {
        let host = match target.ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let prefix = match target.kind {
            Kind::Skydio => "skydio",
            Kind::Generic => "stream",
        };
        let plain = |text: &str| -> String {
            let letters = text.chars().map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '-'
                }
            });
            letters.collect::<String>().trim_matches('-').to_owned()
        };
        let mut name = format!("{prefix}-{}-{}-{}", plain(&host), target.port, plain(path));
        name.truncate(crate::mediamtx::paths::LONGEST_NAME);
        Self {
            url: format!("rtsp://{host}:{}{path}", target.port),
            name,
            kind: target.kind,
            view,
            port: target.port,
            path: path.to_owned(),
            media,
            discovered: now,
            last_seen: now,
            online: true,
        }
    }
}

/// What one scan brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// When it began.
    pub at: Wall,
    /// When it was over.
    pub ended: Mono,
    /// How long it took.
    pub took: Duration,
    /// Everything known after it, those that did not answer included.
    pub finds: Vec<Find>,
    /// What went wrong, in sentences.
    pub errors: Vec<String>,
}

/// Everything ever found and not yet forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finds(BTreeMap<String, Find>);

impl Finds {
    /// Takes what a scan found. `whole`: the scan asked everybody, so whoever is missing did not answer.
    pub fn take(&mut self, found: Vec<Find>, whole: bool, now: Wall) {
        if whole {
            for find in self.0.values_mut() {
                find.online = false;
            }
        }
        for mut find in found {
            if let Some(before) = self.0.get(&find.url) {
                find.discovered = before.discovered;
            }
            self.0.insert(find.url.clone(), find);
        }
        let limit = u64::try_from(FORGOTTEN_AFTER.as_nanos()).unwrap_or(u64::MAX);
        self.0
            .retain(|_, f| now.as_nanos().saturating_sub(f.last_seen.as_nanos()) <= limit);
        while self.0.len() > MOST_FINDS {
            let oldest = self.0.values().min_by_key(|f| (f.online, f.last_seen));
            let Some(url) = oldest.map(|f| f.url.clone()) else {
                break;
            };
            self.0.remove(&url);
        }
    }

    /// All of them in order of address.
    #[must_use]
    pub fn all(&self) -> Vec<Find> {
        self.0.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Wall = Wall::from_secs(1_790_000_000);

    fn only(skydio: Skydio) -> Settings {
        Settings {
            skydio,
            ..Settings::default()
        }
    }

    #[test]
    fn the_known_address_is_asked_first_and_everybody_once() {
        let targets = only(Skydio::default()).targets();
        assert_eq!(targets.len(), 254 * 2);
        assert_eq!(targets[0].ip.to_string(), "192.168.42.10");
        assert_eq!(targets[0].paths, [("/subject".to_owned(), View::Colour)]);
        assert_eq!(
            (targets[1].port, targets[1].paths[0].1),
            (6554, View::Thermal)
        );
        let one = only(Skydio {
            enable_both_streams: false,
            ..Skydio::default()
        });
        assert_eq!(one.targets().len(), 254);
        let same_port = only(Skydio {
            ir_port: 5554,
            ..Skydio::default()
        });
        assert_eq!(same_port.targets()[0].paths.len(), 2);
        let off = only(Skydio {
            enabled: false,
            ..Skydio::default()
        });
        assert_eq!(off.targets(), []);
    }

    #[test]
    fn ranges_that_are_none_or_too_wide_are_refused_with_the_way_out() {
        let said = |text: &str| text.parse::<Range>().unwrap_err();
        assert!(said("10.0.0.0/8").contains("at most /22"));
        assert!(said("192.168.42.7/24").contains("write 192.168.42.0/24"));
        for odd in [
            "",
            "1.2.3.4",
            "1.2.3/24",
            "1.2.3.0/33",
            "1.2.3.0/-1",
            "::/64",
        ] {
            assert!(said(odd).contains("is no range"), "{odd}");
        }
        let single: Range = "10.1.2.3/32".parse().unwrap();
        assert_eq!(
            single.hosts().collect::<Vec<_>>(),
            [Ipv4Addr::new(10, 1, 2, 3)]
        );
        assert_eq!(single.to_string(), "10.1.2.3/32");
    }

    #[test]
    fn a_configuration_that_asks_for_too_much_is_a_mistake() {
        assert_eq!(Settings::default().mistakes(), []);
        let mut greedy = Settings::default();
        greedy.generic.enabled = true;
        greedy.generic.network_ranges = vec!["10.0.0.0/22".parse().unwrap(); 1];
        greedy.generic.common_ports = vec![1, 2, 3, 4, 5];
        assert!(greedy.mistakes()[0].1.contains("too many"));
        let mut odd = Settings::default();
        odd.skydio.eo_stream_path = "/x\r\nTeardown".to_owned();
        assert!(odd.mistakes()[0].1.contains("no path"));
    }

    fn find(port: u16, now: Wall) -> Find {
        let target = Target {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port,
            kind: Kind::Generic,
            paths: Vec::new(),
        };
        let media = Media {
            codec: "h264",
            metadata: "none",
        };
        Find::new(&target, "/live", View::Unknown, media, now)
    }

    #[test]
    fn who_no_longer_answers_is_offline_then_forgotten_and_keeps_its_first_day() {
        let at = |s| Wall::from_secs(NOW.as_secs() + s);
        let mut finds = Finds::default();
        finds.take(vec![find(1, NOW), find(2, NOW)], true, NOW);
        finds.take(vec![find(1, at(60))], true, at(60));
        let all = finds.all();
        assert_eq!(
            (all[0].online, all[0].discovered, all[0].last_seen),
            (true, NOW, at(60))
        );
        assert_eq!((all[1].online, all[1].last_seen), (false, NOW));
        // A scan that was cut off proves nobody's absence.
        finds.take(vec![], false, at(61));
        assert!(finds.all()[0].online);
        finds.take(vec![], true, at(86_401));
        assert_eq!(finds.all().len(), 1);
        assert!(super::super::book::is_free_name(&finds.all()[0].name));
    }

    proptest! {
        #[test]
        fn no_more_is_remembered_than_fits(scans in proptest::collection::vec(proptest::collection::vec(1_u16..2000, 0..200), 0..6)) {
            let mut finds = Finds::default();
            for (n, ports) in scans.iter().enumerate() {
                let now = Wall::from_secs(NOW.as_secs() + n as u64);
                finds.take(ports.iter().map(|p| find(*p, now)).collect(), true, now);
                prop_assert!(finds.all().len() <= MOST_FINDS);
            }
        }

        #[test]
        fn a_range_holds_its_own_addresses_only(a in any::<u32>(), bits in WIDEST..=32) {
            let mask = u32::MAX << (32 - u32::from(bits)).min(31);
            let mask = if bits == 32 { u32::MAX } else { mask };
            let range: Range = format!("{}/{bits}", Ipv4Addr::from(a & mask)).parse().unwrap();
            for host in range.hosts() {
                prop_assert_eq!(u32::from(host) & mask, a & mask);
            }
        }
    }
}
