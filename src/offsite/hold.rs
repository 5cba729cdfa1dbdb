//! When no copies are made although there are some to make: outside the hours, and over a metered link. Decides.
//!
//! The link is the interface of the default route with the least metric, as the kernel's tables in `/proc/net` have it.
//! Which interfaces are metered, a list of names says: a box without a network manager has nobody else to ask.

use std::fmt;
use std::str::FromStr;

use crate::clock::Wall;

/// What happens while the way to the network is a metered link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metered {
    /// Copies wait.
    Pause,
    /// Copies are made all the same.
    Allow,
}

impl Metered {
    /// All that can be asked for.
    pub const ALL: [Self; 2] = [Self::Pause, Self::Allow];

    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Allow => "allow",
        }
    }
}

/// Hours of each day, in UTC: `22:00-05:30`. It may go over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Minutes of the day.
    from: u32,
    /// Likewise; the minute itself is outside.
    to: u32,
}

const DAY: u32 = 1440;

impl Window {
    /// Whether a moment is inside.
    #[must_use]
    pub fn has(&self, at: Wall) -> bool {
        let minute = u32::try_from(at.as_secs() / 60 % u64::from(DAY)).unwrap_or(0);
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("expected hours in UTC such as 22:00-05:30, found {text:?}");
        let minute = |text: &str| -> Option<u32> {
            let (hours, minutes) = text.trim().split_once(':')?;
            let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
        };
        let (from, to) = text.split_once('-').ok_or_else(bad)?;
        let (from, to) = (minute(from).ok_or_else(bad)?, minute(to).ok_or_else(bad)?);
        (from != to).then_some(Self { from, to }).ok_or_else(bad)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            from / 60,
            from % 60,
            to / 60,
            to % 60
        )
    }
}

/// Whether a name fits a pattern, in which `*` stands for anything.
#[must_use]
pub fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The interface that packets to the wide world leave by, from the texts of `/proc/net/route` and
/// `/proc/net/ipv6_route` (proc(5)): IPv4's default route of the least metric, else IPv6's.
#[must_use]
pub fn way_out(route: &str, ipv6_route: &str) -> Option<String> {
    let four = route.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [name, "00000000", _, _, _, _, metric, "00000000", ..] = fields[..] else {
            return None;
        };
        Some((metric.parse::<u64>().ok()?, name))
    });
    let six = ipv6_route.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [to, "00", _, _, _, metric, _, _, _, name] = fields[..] else {
            return None;
        };
        // The kernel lists an unreachable default on the loopback interface where there is no other.
        (to.bytes().all(|b| b == b'0') && name != "lo")
            .then_some((u64::from_str_radix(metric, 16).ok()?, name))
    });
    let least = four.min().or_else(|| six.min());
    least.map(|(_, name)| name.to_owned())
}

/// Why copies wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// The way out is this interface, which is metered.
    Link(String),
    /// It is not the hour.
    Hours,
}

/// Whether copies wait now, with this interface as the way out.
#[must_use]
pub fn hold(settings: &super::Settings, link: Option<&str>, now: Wall) -> Option<Hold> {
    if settings.window.is_some_and(|window| !window.has(now)) {
        return Some(Hold::Hours);
    }
    let metered = |name: &&str| settings.metered_links.iter().any(|m| fits(m, name));
    match settings.metered {
        Metered::Allow => None,
        Metered::Pause => link.filter(metered).map(|name| Hold::Link(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;

    const ROUTE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        wwan0\t00000000\t0100000A\t0003\t0\t0\t700\t00000000\t0\t0\t0\n\
        eth0\t0000A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
    const SIX: &str = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n\
        00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1\n";

    #[test]
    fn the_way_out_is_the_default_route_of_the_least_metric() {
        assert_eq!(way_out(ROUTE, SIX).as_deref(), Some("wwan0"));
        let wired =
            format!("{ROUTE}eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n");
        assert_eq!(way_out(&wired, "").as_deref(), Some("eth0"));
        assert_eq!(way_out("Iface\n", SIX).as_deref(), Some("eth1"));
        assert_eq!(way_out("", ""), None);
        assert_eq!(way_out("x\n\0\u{fe}\n00000000", "0 0"), None);
    }

    #[test]
    fn copies_wait_on_a_metered_link_and_outside_their_hours() {
        let mut settings = settings();
        let night = Wall::from_secs(23 * 3600);
        assert_eq!(
            hold(&settings, Some("wwan0"), night),
            Some(Hold::Link("wwan0".to_owned()))
        );
        assert_eq!(hold(&settings, Some("eth0"), night), None);
        assert_eq!(hold(&settings, None, night), None);
        settings.metered = Metered::Allow;
        assert_eq!(hold(&settings, Some("wwan0"), night), None);
        settings.window = Some("22:00-05:30".parse().unwrap());
        assert_eq!(hold(&settings, None, night), None);
        assert_eq!(hold(&settings, None, Wall::from_secs(5 * 3600)), None);
        let morning = Wall::from_secs(5 * 3600 + 1800);
        assert_eq!(hold(&settings, None, morning), Some(Hold::Hours));
        settings.window = Some("06:00-07:00".parse().unwrap());
        assert_eq!(hold(&settings, None, morning), Some(Hold::Hours));
        assert_eq!(settings.window.unwrap().to_string(), "06:00-07:00");
        for bad in ["", "6-7", "24:00-01:00", "06:00-06:00", "06:60-07:00", "-"] {
            assert!(bad.parse::<Window>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, fit) in [
            ("wwan*", "wwan0", true),
            ("wwan*", "wwa", false),
            ("ppp0", "ppp0", true),
            ("ppp0", "ppp01", false),
            ("*-alarm-*", "door-alarm-7", true),
            ("*-alarm-*", "alarm-7", false),
            ("a*b*b", "ab", false),
            ("a*b*b", "a-b-b", true),
            ("*", "", true),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }
}
