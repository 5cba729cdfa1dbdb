//! From text and variables to a [`Config`], or to every mistake found. Pure.

use std::fmt::Write as _;

use serde_json::Value;
use tracing_subscriber::filter::EnvFilter;

use super::keys::{KEYS, Key};
use super::{Config, FILE_COUNTS, FILE_SIZES, FLUSHES, PRE_EVENT, PRE_EVENT_BYTES, ROLLS, Tls};
use crate::camera::remote::KEYFRAME_SECONDS;
use crate::nearest::nearest;
use crate::recording::modes::Mode;
use crate::units::Rate;

/// One mistake: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// `config.yaml line 3` or `CAMERA_SERVICE_SERVER_PORT`.
    pub place: String,
    /// What is wrong, with the nearest known key where one is near.
    pub what: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Reads a YAML text (if any) and overrides over `base`.
///
/// `variables` are the process's environment; those without our prefix are ignored.
///
/// # Errors
/// All mistakes at once, so that one run of `check-config` shows them all.
pub fn load(
    base: Config,
    file: Option<(&str, &str)>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, Vec<Mistake>> {
    let mut config = base;
    let mut mistakes = Vec::new();
    if let Some((name, text)) = file {
        match serde_saphyr::from_str::<Option<Value>>(text) {
            Ok(value) => {
                let root = value.unwrap_or(Value::Null);
                apply_file(&mut config, name, text, &root, &mut mistakes);
            }
            Err(e) => mistakes.push(Mistake {
                place: name.to_owned(),
                what: format!("not valid YAML: {}", first_line(&e.to_string())),
            }),
        }
    }
    for (variable, value) in variables {
        apply_variable(&mut config, &variable, value, &mut mistakes);
    }
    check(&config, &mut mistakes);
    if mistakes.is_empty() {
        Ok(config)
    } else {
        Err(mistakes)
    }
}

/// Names under our prefix that are not configuration keys.
const OTHER_VARIABLES: &[&str] = &["CAMERA_SERVICE_JWT_SECRET", "CAMERA_SERVICE_BIN"];

fn apply_variable(config: &mut Config, variable: &str, value: String, mistakes: &mut Vec<Mistake>) {
    if !variable.starts_with("CAMERA_SERVICE_") || OTHER_VARIABLES.contains(&variable) {
        return;
    }
    let what = match KEYS.iter().find(|k| k.variable() == variable) {
        Some(key) => (key.set)(config, &Value::String(value)).err(),
        None => {
            let names: Vec<String> = KEYS.iter().map(Key::variable).collect();
            let hint = nearest(variable, names.iter().map(String::as_str));
            Some(unknown("variable", hint))
        }
    };
    if let Some(what) = what {
        mistakes.push(Mistake {
            place: variable.to_owned(),
            what,
        });
    }
}

fn apply_file(
    config: &mut Config,
    name: &str,
    text: &str,
    root: &Value,
    mistakes: &mut Vec<Mistake>,
) {
    let mut mistake = |path: &str, what: String| {
        let place =
            line_of(text, path).map_or_else(|| name.to_owned(), |l| format!("{name} line {l}"));
        mistakes.push(Mistake {
            place,
            what: format!("{path}: {what}"),
        });
    };
    let sections = match root {
        Value::Null => return,
        Value::Object(sections) => sections,
        _ => {
            return mistakes.push(Mistake {
                place: name.to_owned(),
                what: "expected sections such as `server:`".into(),
            });
        }
    };
    for (section, keys) in sections {
        let known_sections = KEYS.iter().filter_map(|k| k.path.split('.').next());
        if !known_sections.clone().any(|s| s == section) {
            mistake(
                section,
                unknown("section", nearest(section, known_sections)),
            );
            continue;
        }
        let keys = match keys {
            Value::Null => continue,
            Value::Object(keys) => keys,
            other => {
                mistake(section, format!("expected keys beneath it, found {other}"));
                continue;
            }
        };
        for (key, value) in keys {
            let path = format!("{section}.{key}");
            match KEYS.iter().find(|k| k.path == path) {
                Some(key) => {
                    if let Err(what) = (key.set)(config, value) {
                        mistake(&path, what);
                    }
                }
                None => mistake(
                    &path,
                    unknown("key", nearest(&path, KEYS.iter().map(|k| k.path))),
                ),
            }
        }
    }
}

fn unknown(what: &str, hint: Option<&str>) -> String {
    format!("no such {what}{}", did_you_mean(hint))
}

fn did_you_mean(hint: Option<&str>) -> String {
    hint.map_or_else(String::new, |hint| format!("; did you mean {hint}?"))
}

/// What a log level may be called.
const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// What no single key can know.
fn check(config: &Config, mistakes: &mut Vec<Mistake>) {
    let mut wrong = |path: &str, what: &str| {
        mistakes.push(Mistake {
            place: path.to_owned(),
            what: what.to_owned(),
        });
    };
    for (path, fps) in [
        ("camera.fps", config.camera.fps),
        ("test_camera.fps", config.test_camera.fps),
    ] {
        if !Rate::ASKED.contains(&fps) {
            let (least, most) = (Rate::ASKED.start(), Rate::ASKED.end());
            wrong(
                path,
                &format!("must be from {least} to {most} frames per second"),
            );
        }
    }
    if !KEYFRAME_SECONDS.contains(&config.camera.keyframe_seconds) {
        let (least, most) = (KEYFRAME_SECONDS.start(), KEYFRAME_SECONDS.end());
        wrong(
            "camera.keyframe_seconds",
            &format!("must be from {least} to {most}: a viewer waits this long for a picture"),
        );
    }
    if !config.server.websocket_path.starts_with('/') {
        wrong("server.websocket_path", "must begin with /");
    }
    if config.api_key_management.max_keys_per_role == 0 {
        wrong("api_key_management.max_keys_per_role", "must be at least 1");
    }
    let server = &config.server;
    if server.tls_certificate.as_os_str().is_empty() != server.tls_key.as_os_str().is_empty() {
        wrong(
            "server.tls_key",
            "a certificate and its key belong together: set server.tls_certificate and server.tls_key, or neither",
        );
    }
    if !server.plain && server.tls == Tls::Off {
        wrong(
            "server.plain",
            "without plain ports there must be TLS: set server.tls to on",
        );
    }
    if config.server.max_message_size < 1024 {
        wrong("server.max_message_size", "must be at least 1024 bytes");
    }
    let memory = config.server.max_memory;
    if memory != 0 && memory / 4 < config.server.max_message_size {
        wrong(
            "server.max_memory",
            "must be at least four times server.max_message_size, or 0 for no limit",
        );
    }
    if config.security.rate_limit_requests != 0 && config.security.rate_limit_burst == 0 {
        wrong(
            "security.rate_limit_burst",
            "must be 1 or more, or nobody could ask anything; set rate_limit_requests to 0 for no limit",
        );
    }
    for (key, what) in config.external_discovery.mistakes() {
        wrong(&format!("external_discovery.{key}"), &what);
    }
    for part in config.logging.level.split(',') {
        let level = part.rsplit('=').next().unwrap_or(part).trim();
        if !LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
            wrong(
                "logging.level",
                &format!(
                    "{level:?} is not a level{}",
                    did_you_mean(nearest(level, LEVELS.iter().copied()))
                ),
            );
        }
    }
    if let Err(e) = EnvFilter::try_new(&config.logging.level) {
        wrong("logging.level", &format!("not a filter: {e}"));
    }
    if !FILE_SIZES.contains(&config.logging.max_file_size) {
        let (least, most) = (FILE_SIZES.start(), FILE_SIZES.end());
        wrong(
            "logging.max_file_size",
            &format!("must be from {least} to {most} bytes"),
        );
    }
    if !FILE_COUNTS.contains(&config.logging.max_files) {
        let (least, most) = (FILE_COUNTS.start(), FILE_COUNTS.end());
        wrong(
            "logging.max_files",
            &format!("must be from {least} to {most}"),
        );
    }
    if config.logging.file.is_relative() && !config.logging.file.as_os_str().is_empty() {
        wrong("logging.file", "must be a whole path, beginning with /");
    }
    for (path, percent) in [
        ("storage.warn_percent", config.storage.warn_percent),
        ("storage.block_percent", config.storage.block_percent),
    ] {
        if !(1..=100).contains(&percent) {
            wrong(path, "must be from 1 to 100");
        }
    }
    let flush = config.storage.flush_interval_ms;
    if flush != 0 && !FLUSHES.contains(&flush) {
        let (least, most) = (FLUSHES.start(), FLUSHES.end());
        wrong(
            "storage.flush_interval_ms",
            &format!("must be 0, or from {least} to {most} milliseconds"),
        );
    }
    if config.storage.warn_percent > config.storage.block_percent {
        wrong(
            "storage.warn_percent",
            "is more than storage.block_percent: the warning would come too late",
        );
    }
    let fallback = &config.storage.fallback_path;
    if !fallback.as_os_str().is_empty() {
        let within = |folder: std::path::PathBuf| fallback.starts_with(folder);
        if fallback.is_relative() {
            wrong(
                "storage.fallback_path",
                "must be a whole path, beginning with /",
            );
        } else if within(config.storage.recordings()) || within(config.storage.snapshots()) {
            wrong(
                "storage.fallback_path",
                "lies in the folder that it shall stand in for",
            );
        }
    }
    for (path, value, allowed) in [
        (
            "recording.pre_event_ms",
            config.recording.pre_event_ms,
            PRE_EVENT,
        ),
        (
            "recording.pre_event_bytes",
            config.recording.pre_event_bytes,
            PRE_EVENT_BYTES,
        ),
        (
            "recording.roll_seconds",
            config.recording.roll_seconds,
            ROLLS,
        ),
    ] {
        if !allowed.contains(&value) {
            let (least, most) = (allowed.start(), allowed.end());
            wrong(path, &format!("must be from {least} to {most}"));
        }
    }
    if config.recording.mode == Mode::Scheduled && config.recording.schedule.is_empty() {
        wrong(
            "recording.schedule",
            "is empty, so nothing would be recorded: write windows such as mon-fri 22:00-06:00",
        );
    }
    for (key, what) in config.offsite.mistakes() {
        wrong(&format!("offsite.{key}"), &what);
    }
    for (key, what) in config.storage.quota_mistakes() {
        wrong(key, &what);
    }
    let ports = [
        ("server.port", config.server.port),
        ("http_health.port", config.http_health.port),
        ("mediamtx.rtsp_port", config.mediamtx.rtsp_port),
        ("mediamtx.api_port", config.mediamtx.api_port),
        ("mediamtx.hls_port", config.mediamtx.hls_port),
        ("mediamtx.webrtc_port", config.mediamtx.webrtc_port),
    ];
    let mut ports = ports.to_vec();
    if server.tls == Tls::On {
        ports.push(("server.tls_port", server.tls_port));
    }
    ports.sort_by_key(|(_, port)| *port);
    for pair in ports.windows(2) {
        if pair[0].1 == pair[1].1 && pair[0].1 != 0 {
            wrong(
                pair[1].0,
                &format!("has the same port {} as {}", pair[1].1, pair[0].0),
            );
        }
    }
}

/// The line of `section.key` in a block-style YAML text, counted from 1.
fn line_of(text: &str, path: &str) -> Option<usize> {
    let (section, key) = path
        .split_once('.')
        .map_or((path, None), |(s, k)| (s, Some(k)));
    let starts = |line: &str, word: &str| {
        line.trim_start()
            .strip_prefix(word)
            .is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    let mut lines = text.lines().enumerate();
    let (at, _) = lines.find(|(_, l)| !l.starts_with(' ') && starts(l, section))?;
    let Some(key) = key else { return Some(at + 1) };
    lines
        .take_while(|(_, l)| l.is_empty() || l.starts_with([' ', '#']))
        .find(|(_, l)| starts(l, key))
        .map_or(Some(at + 1), |(n, _)| Some(n + 1))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}

/// The reference: every key with its meaning and default, as a YAML file that is itself valid.
#[must_use]
pub fn reference() -> String {
    let config = Config::default();
    let mut text = String::from("# Every key with its default. Copy only what you change.\n");
    let mut section = "";
    for key in KEYS {
        let (s, k) = key.path.split_once('.').unwrap_or((key.path, ""));
        if s != section {
            let _ = write!(text, "\n{s}:\n");
            section = s;
        }
        let _ = writeln!(text, "  # {}\n  {k}: {}", key.doc, (key.show)(&config));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Result<Config, Vec<Mistake>> {
        load(Config::default(), Some(("box.yaml", text)), [])
    }

    #[test]
    fn the_reference_is_a_valid_file_that_changes_nothing() {
        assert_eq!(from(&reference()).unwrap(), Config::default());
    }

    #[test]
    fn a_misspelt_key_is_refused_with_its_line_and_the_nearest_known_one() {
        let mistakes = from("server:\n  host: 127.0.0.1\n  prot: 9000\n").unwrap_err();
        assert_eq!(mistakes.len(), 1);
        assert_eq!(mistakes[0].place, "box.yaml line 3");
        assert_eq!(
            mistakes[0].what,
            "server.prot: no such key; did you mean server.port?"
        );
    }

    #[test]
    fn wrong_types_and_impossible_sizes_are_all_reported_at_once() {
        let mistakes =
            from("server:\n  port: many\ncamera:\n  size: 99999x2\n  fps: 0\n").unwrap_err();
        let all: String = mistakes
            .iter()
            .map(|m| format!("{}: {}\n", m.place, m.what))
            .collect();
        assert!(
            all.contains("server.port: expected a number from 0 to 65535, found \"many\""),
            "{all}"
        );
        assert!(all.contains("99999x2 is impossible"), "{all}");
        assert!(all.contains("camera.fps: must be from 1 to 240"), "{all}");
    }

    #[test]
    fn the_environment_wins_over_the_file_and_unknown_variables_are_refused() {
        let file = Some(("f", "server:\n  port: 1000\n"));
        let set = |k: &str, v: &str| [(k.to_owned(), v.to_owned())];
        let config = load(
            Config::default(),
            file,
            set("CAMERA_SERVICE_SERVER_PORT", "2000"),
        )
        .unwrap();
        assert_eq!(config.server.port, 2000);
        let mistakes = load(
            Config::default(),
            file,
            set("CAMERA_SERVICE_SERVER_PROT", "1"),
        )
        .unwrap_err();
        assert_eq!(
            mistakes[0].what,
            "no such variable; did you mean CAMERA_SERVICE_SERVER_PORT?"
        );
    }

    #[test]
    fn limits_that_would_shut_everybody_out_are_refused() {
        let what = |text: &str| from(text).unwrap_err()[0].what.clone();
        assert!(what("server:\n  max_memory: 2097152\n").contains("four times"));
        assert!(what("security:\n  rate_limit_burst: 0\n").contains("1 or more"));
        assert!(from("server:\n  max_memory: 0\n").is_ok());
        assert!(from("security:\n  rate_limit_requests: 0\n  rate_limit_burst: 0\n").is_ok());
    }

    #[test]
    fn a_misspelt_log_level_is_refused_instead_of_silencing_the_service() {
        let mistakes = from("logging:\n  level: infoo\n").unwrap_err();
        assert!(
            mistakes[0].what.contains("did you mean info?"),
            "{mistakes:?}"
        );
        for good in ["info,camera_service::stream=debug", "INFO", "Warn"] {
            assert!(
                from(&format!("logging:\n  level: {good}\n")).is_ok(),
                "{good}"
            );
        }
    }

    #[test]
    fn a_log_that_could_not_be_written_or_bounded_is_refused_before_it_is_needed() {
        for (text, says) in [
            ("file: box.log", "beginning with /"),
            ("max_file_size: 1", "from 65536 to"),
            ("max_files: 0", "from 1 to"),
            ("level: 'info,=debug'", "logging.level"),
        ] {
            let mistakes = from(&format!("logging:\n  {text}\n")).unwrap_err();
            let all: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
            assert!(all.concat().contains(says), "{text}: {all:?}");
        }
    }

    #[test]
    fn expected_cameras_are_ids_and_nothing_else() {
        let config = from("camera:\n  expected: [camera0, camera12]\n").unwrap();
        assert_eq!(config.camera.expected.len(), 2);
        let mistakes = from("camera:\n  expected: [/dev/video0]\n").unwrap_err();
        assert!(
            mistakes[0].what.contains("is not a camera id"),
            "{mistakes:?}"
        );
    }

    #[test]
    fn two_listeners_on_one_port_are_a_mistake() {
        let mistakes = from("server:\n  port: 8003\n").unwrap_err();
        assert!(mistakes[0].what.contains("same port 8003"));
    }

    #[test]
    fn tls_is_on_or_off_and_its_keys_must_fit_together() {
        assert_eq!(from("").unwrap().server.tls, Tls::Off);
        for on in ["on", "\"on\"", "true"] {
            let config = from(&format!("server:\n  tls: {on}\n  plain: false\n")).unwrap();
            assert_eq!((config.server.tls, config.server.tls_port), (Tls::On, 8443));
        }
        for (text, word) in [
            ("server:\n  tls: yes please\n", "off or on"),
            ("server:\n  plain: false\n", "there must be TLS"),
            (
                "server:\n  tls: on\n  tls_key: /etc/key.pem\n",
                "belong together",
            ),
            ("server:\n  tls: on\n  tls_port: 8003\n", "same port 8003"),
        ] {
            let mistakes = from(text).unwrap_err();
            assert!(mistakes[0].what.contains(word), "{mistakes:?}");
        }
        // A port that is not opened is nobody's rival.
        assert!(from("server:\n  tls_port: 8003\n").is_ok());
    }

    #[test]
    fn broken_yaml_and_an_empty_file_do_not_crash() {
        assert!(from("server: [").is_err());
        assert!(from("- a\n- b\n").is_err());
        assert_eq!(from("").unwrap(), Config::default());
        assert_eq!(from("server:\n").unwrap(), Config::default());
    }

    #[test]
    fn texts_that_need_escapes_are_shown_as_yaml_reads_them() {
        let config = from("logging:\n  file: \"/a\\e \\u0001'\\\"b\"\n").unwrap();
        let key = KEYS.iter().find(|key| key.path == "logging.file").unwrap();
        let shown = format!("logging:\n  file: {}\n", (key.show)(&config));
        assert_eq!(from(&shown).unwrap(), config, "{shown}");
    }

    #[test]
    fn the_reference_page_lists_every_key_with_its_default() {
        let page = include_str!("../../docs/reference/configuration.yaml");
        assert_eq!(
            page,
            reference(),
            "run: camera-service check-config --reference > docs/reference/configuration.yaml"
        );
    }
}
