//! Where streams of somebody else are looked for: two groups of keys, each one value of the section.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::setting::Setting;
use crate::external::discovery::{Generic, Range, Settings, Skydio};
use crate::nearest::nearest;

/// Where and how often streams of somebody else are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalDiscovery {
    /// Whether at all.
    pub enabled: bool,
    /// Seconds from the end of one search to the next; 0 = on demand only.
    pub scan_interval: u32,
    /// Seconds a whole search may take.
    pub scan_timeout: u32,
    /// Addresses asked at the same time.
    pub max_concurrent_scans: u32,
    /// Whether the service searches when it starts.
    pub enable_startup_scan: bool,
    /// Skydio drones.
    pub skydio: Skydio,
    /// Others.
    pub generic_uav: Generic,
}

impl Default for ExternalDiscovery {
    fn default() -> Self {
        Self {
            enabled: false,
            scan_interval: 0,
            scan_timeout: 10,
            max_concurrent_scans: 64,
            enable_startup_scan: false,
            skydio: Skydio::default(),
            generic_uav: Generic::default(),
        }
    }
}

impl ExternalDiscovery {
    /// The same, as those who search want it.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let secs = |n: u32| std::time::Duration::from_secs(n.into());
        Settings {
            enabled: self.enabled,
            interval: secs(self.scan_interval),
            budget: secs(self.scan_timeout),
            concurrent: usize::try_from(self.max_concurrent_scans).unwrap_or(usize::MAX),
            at_start: self.enable_startup_scan,
            skydio: self.skydio.clone(),
            generic: self.generic_uav.clone(),
        }
    }

    /// What is wrong with it, as key beneath the section and sentence.
    #[must_use]
    pub fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut within = |key, n: u32, min: u32, max: u32| {
            if !(min..=max).contains(&n) {
                found.push((key, format!("must be from {min} to {max}")));
            }
        };
        within("scan_interval", self.scan_interval, 0, 86_400);
        within("scan_timeout", self.scan_timeout, 1, 60);
        within("max_concurrent_scans", self.max_concurrent_scans, 1, 256);
        found.extend(self.settings().mistakes());
        found
    }
}

impl Setting for Vec<IpAddr> {
    fn parse(value: &Value) -> Result<Self, String> {
        let texts = Vec::<String>::parse(value)?;
        texts
            .into_iter()
            .map(|text| IpAddr::parse(&Value::String(text)))
            .collect()
    }
    fn show(&self) -> String {
        let shown: Vec<String> = self.iter().map(Setting::show).collect();
        format!("[{}]", shown.join(", "))
    }
}

impl Setting for Vec<Range> {
    fn parse(value: &Value) -> Result<Self, String> {
        let texts = Vec::<String>::parse(value)?;
        texts.iter().map(|text| text.parse()).collect()
    }
    fn show(&self) -> String {
        let shown: Vec<String> = self.iter().map(|r| format!("\"{r}\"")).collect();
        format!("[{}]", shown.join(", "))
    }
}

impl Setting for Vec<u16> {
    fn parse(value: &Value) -> Result<Self, String> {
        match value {
            Value::Array(items) => items.iter().map(u16::parse).collect(),
            _ => Err(format!("expected a list of ports, found {value}")),
        }
    }
    fn show(&self) -> String {
        format!("{self:?}")
    }
}

/// Reads and shows a group of keys that is one value of its section.
macro_rules! group {
    ($group:ident { $($name:ident),+ $(,)? }) => {
        impl Setting for $group {
            fn parse(value: &Value) -> Result<Self, String> {
                let mut group = Self::default();
                for (key, value) in &entries(value)? {
                    match key.as_str() {
                        $(stringify!($name) => {
                            group.$name = Setting::parse(value).map_err(|e| format!("{key}: {e}"))?;
                        })+
                        other => return Err(unknown(other, &[$(stringify!($name)),+])),
                    }
                }
                Ok(group)
            }

            fn show(&self) -> String {
                let shown = [$(format!("{}: {}", stringify!($name), self.$name.show())),+];
                format!("{{{}}}", shown.join(", "))
            }
        }
    };
}

group!(Skydio {
    enabled,
    network_ranges,
    eo_port,
    ir_port,
    eo_stream_path,
    ir_stream_path,
    enable_both_streams,
    known_ips,
});

group!(Generic {
    enabled,
    network_ranges,
    common_ports,
    stream_paths,
    known_ips,
});

/// The keys of a group; a variable of the environment holds them as YAML.
fn entries(value: &Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(entries) => Ok(entries.clone()),
        Value::Null => Ok(Map::new()),
        Value::String(text) => serde_saphyr::from_str::<Map<String, Value>>(text)
            .map_err(|_| "expected keys such as {enabled: true}".to_owned()),
        other => Err(format!("expected keys beneath it, found {other}")),
    }
}

fn unknown(key: &str, known: &[&str]) -> String {
    let hint = nearest(key, known.iter().copied())
        .map_or_else(String::new, |near| format!("; did you mean {near}?"));
    format!("no such key {key}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::config::load::load;

    fn from(text: &str) -> Result<ExternalDiscovery, Vec<String>> {
        load(Config::default(), Some(("box.yaml", text)), [])
            .map(|c| c.external_discovery)
            .map_err(|all| all.into_iter().map(|m| m.what).collect())
    }

    #[test]
    fn groups_are_read_as_the_predecessors_files_have_them() {
        let read = from(
            "external_discovery:\n  enabled: true\n  scan_interval: 60\n  generic_uav:\n    enabled: true\n    \
             network_ranges: [\"10.1.0.0/24\"]\n    common_ports: [8554]\n    stream_paths: [/live]\n    known_ips: [10.1.0.7]\n",
        )
        .unwrap();
        let settings = read.settings();
        assert!(settings.enabled && settings.generic.enabled);
        assert_eq!(settings.skydio, Skydio::default());
        assert_eq!(settings.targets().len(), 254 * 2 + 254);
    }

    #[test]
    fn mistakes_in_a_group_are_named_with_their_key() {
        let said = |text: &str| from(text).unwrap_err().join("\n");
        let skydio = |line: &str| said(&format!("external_discovery:\n  skydio:\n    {line}\n"));
        assert!(skydio("eo_prot: 1").contains("did you mean eo_port?"));
        assert!(
            skydio("network_ranges: [10.0.0.0/8]")
                .contains("network_ranges: 10.0.0.0/8 is too wide")
        );
        assert!(skydio("eo_stream_path: subject").contains("no path"));
        assert!(said("external_discovery:\n  scan_timeout: 0\n").contains("from 1 to 60"));
    }

    #[test]
    fn a_group_can_come_from_the_environment() {
        let variable = "CAMERA_SERVICE_EXTERNAL_DISCOVERY_SKYDIO".to_owned();
        let config = load(
            Config::default(),
            None,
            [(variable, "{enabled: false, eo_port: 7}".to_owned())],
        )
        .unwrap();
        let skydio = config.external_discovery.skydio;
        assert_eq!((skydio.enabled, skydio.eo_port), (false, 7));
    }
}
