//! The configuration file and the environment: mistakes are told, all of them, and nothing else happens.

use camera_service::config::Config;
use camera_service::config::keys::KEYS;
use camera_service::config::load::load;

use crate::input::{Input, text};

pub(crate) fn run(data: &[u8]) {
    // A first line such as `#variables 2` says how many lines of the environment follow.
    let mut input = Input::new(data);
    let mut variables = Vec::new();
    let mut rest = data;
    if let Some(count) = data.strip_prefix(b"#variables ") {
        let count = usize::from(count.first().copied().unwrap_or(0) % 10);
        input.line();
        for _ in 0..count {
            let line = text(input.line());
            let (name, value) = line.split_once('=').unwrap_or((&line, ""));
            variables.push((name.to_owned(), value.to_owned()));
        }
        rest = input.rest();
    }
    let file = text(rest);
    match load(Config::default(), Some(("box.yaml", &file)), variables) {
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            let told: usize = mistakes.iter().map(|m| m.to_string().len()).sum();
            assert!(
                told <= 64 * data.len() + 64 * 1024,
                "{told} bytes of mistakes"
            );
            for mistake in mistakes {
                assert!(!mistake.place.is_empty() && !mistake.what.is_empty());
            }
        }
        // What is shown of a good configuration is the same configuration.
        Ok(config) => {
            let shown = shown(&config);
            let again = load(Config::default(), Some(("box.yaml", &shown)), [])
                .unwrap_or_else(|mistakes| panic!("{mistakes:?} in\n{shown}"));
            assert_eq!(self::shown(&again), shown);
        }
    }
}

/// Every key with its value, as a file.
fn shown(config: &Config) -> String {
    let mut text = String::new();
    let mut section = "";
    for key in KEYS {
        let (its, name) = key.path.split_once('.').unwrap();
        if its != section {
            text += &format!("{its}:\n");
            section = its;
        }
        text += &format!("  {name}: {}\n", (key.show)(config));
    }
    text
}
