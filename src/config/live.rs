//! What holds now, what waits for a restart, and what was refused. Pure; the wiring reads and acts.

use serde_json::Value;

use super::Config;
use super::change::{Change, change, needs_restart};
use super::keys::{KEYS, Key};
use super::load::Mistake;
use crate::clock::Wall;
use crate::error::Later;

/// Why the last reading was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// When.
    pub at: Wall,
    /// Every mistake.
    pub mistakes: Vec<Mistake>,
}

/// The configuration of a running service.
#[derive(Debug, Clone)]
pub struct Live {
    /// What the service was started with: it holds for keys that need a restart.
    started: Config,
    /// What was read last and was good: it holds for all others.
    read: Config,
    read_at: Wall,
    refused: Option<Refusal>,
}

/// One key as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Dotted path.
    pub key: &'static str,
    /// The value that holds now; `None` for a secret.
    pub now: Option<Value>,
    /// The value after a restart, where it is another; `Some(None)` for a secret.
    pub after_restart: Option<Option<Value>>,
}

impl Live {
    /// Of a service that starts now.
    #[must_use]
    pub fn new(started: Config, now: Wall) -> Self {
        Self {
            read: started.clone(),
            started,
            read_at: now,
            refused: None,
        }
    }

    /// Takes a good configuration; what is to be done about it comes back. [`Change::restart`] names everything that
    /// waits for a restart now, not only what this reading added.
    pub fn accept(&mut self, new: Config, now: Wall) -> Change {
        let mut what = change(&self.read, &new);
        what.restart = change(&self.started, &new).restart;
        self.read = new;
        self.read_at = now;
        self.refused = None;
        what
    }

    /// Remembers why a configuration was not taken; the old one stays.
    pub fn refuse(&mut self, mistakes: Vec<Mistake>, now: Wall) {
        self.refused = Some(Refusal { at: now, mistakes });
    }

    /// Whether this is what was read last.
    #[must_use]
    pub fn is(&self, config: &Config) -> bool {
        self.read == *config
    }

    /// When the configuration that holds was read.
    #[must_use]
    pub const fn read_at(&self) -> Wall {
        self.read_at
    }

    /// Why the last reading was refused, if it was.
    #[must_use]
    pub const fn refused(&self) -> Option<&Refusal> {
        self.refused.as_ref()
    }

    /// Keys that a restart would change.
    #[must_use]
    pub fn waiting(&self) -> Vec<&'static str> {
        change(&self.started, &self.read).restart
    }

    /// Every key with what holds now, in the order of the reference.
    #[must_use]
    pub fn keys(&self) -> Vec<Held> {
        let one = |key: &Key| {
            let shown = |config| (!is_secret(key.path)).then(|| value(key, config));
            let stays = needs_restart(key.path);
            let waits = stays && (key.show)(&self.started) != (key.show)(&self.read);
            Held {
                key: key.path,
                now: shown(if stays { &self.started } else { &self.read }),
                after_restart: waits.then(|| shown(&self.read)),
            }
        };
        KEYS.iter().map(one).collect()
    }

    /// What people who look at the service's health should know, a sentence each; none of it is a fault.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let waiting = self.waiting();
        if !waiting.is_empty() {
            notes.push(format!(
                "the configuration asks for changes that a restart of the service carries out: {}",
                waiting.join(", ")
            ));
        }
        if let Some(refused) = &self.refused {
            notes.push(format!(
                "the configuration as it is now was refused at {} with {} mistake(s), and the former one holds; the log tells them, and to administrators get_configuration and the page, under Box",
                refused.at.rfc3339(),
                refused.mistakes.len()
            ));
        }
        notes
    }
}

/// What reading the configuration anew came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reloaded {
    /// It holds.
    Taken {
        /// Keys that act now.
        applied: Vec<&'static str>,
        /// Keys that wait for a restart.
        waiting: Vec<&'static str>,
        /// Sentences about what could not be carried out although it is valid.
        troubles: Vec<String>,
    },
    /// It has mistakes, and the old one holds.
    Refused(Refusal),
}

/// The configuration as methods and health see it.
pub trait Configuration: Send + Sync {
    /// The file, as it was named; `None` where the service runs without one.
    fn file(&self) -> Option<String>;

    /// What holds now.
    fn live(&self) -> Live;

    /// Reads it anew and acts on it, one reader after the other.
    fn reload(&self) -> Later<Reloaded>;
}

/// Whether a key's value is kept from everybody, to judge by its name.
#[must_use]
pub fn is_secret(path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or(path);
    ["secret", "password", "credential", "passphrase"]
        .iter()
        .any(|word| name.contains(word))
}

/// The value as JSON. What looks like `scheme://user:password@host` loses the part before the `@`.
fn value(key: &Key, config: &Config) -> Value {
    let shown = (key.show)(config);
    let value = serde_saphyr::from_str(&shown).unwrap_or(Value::String(shown));
    without_users(value)
}

fn without_users(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(without_users).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, field)| (name, without_users(field)))
            .collect(),
        Value::String(text) => match (text.find("://"), text.rfind('@')) {
            (Some(scheme), Some(at)) if scheme < at => {
                Value::String(format!("{}***{}", &text[..scheme + 3], &text[at..]))
            }
            _ => Value::String(text),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::load;

    fn from(text: &str) -> Config {
        load(Config::default(), Some(("f", text)), []).unwrap()
    }

    const fn at(secs: u64) -> Wall {
        Wall::from_secs(secs)
    }

    fn held(live: &Live, key: &str) -> Held {
        live.keys().into_iter().find(|h| h.key == key).unwrap()
    }

    #[test]
    fn what_waits_for_a_restart_is_told_until_it_is_taken_back() {
        let mut live = Live::new(Config::default(), at(1));
        let change = live.accept(from("server:\n  port: 9000\n"), at(2));
        assert_eq!(change.restart, ["server.port"]);
        // Another reading that touches something else does not forget it.
        let change = live.accept(from("server:\n  port: 9000\ncamera:\n  fps: 15\n"), at(3));
        assert_eq!(
            (change.live, change.restart),
            (vec!["camera.fps"], vec!["server.port"])
        );
        let port = held(&live, "server.port");
        assert_eq!(
            port.now,
            Some(8002.into()),
            "that is where it still listens"
        );
        assert_eq!(port.after_restart, Some(Some(9000.into())));
        assert_eq!(held(&live, "camera.fps").now, Some(15.into()));
        assert!(
            live.notes()[0].contains("server.port"),
            "{:?}",
            live.notes()
        );
        live.accept(Config::default(), at(4));
        assert_eq!(live.notes(), [""; 0]);
        assert_eq!(held(&live, "server.port").after_restart, None);
    }

    #[test]
    fn a_refused_reading_changes_nothing_and_is_forgotten_after_a_good_one() {
        let mut live = Live::new(from("camera:\n  fps: 10\n"), at(1));
        let mistake = Mistake {
            place: "f line 1".to_owned(),
            what: "no such key".to_owned(),
        };
        live.refuse(vec![mistake], at(5));
        assert_eq!(held(&live, "camera.fps").now, Some(10.into()));
        assert_eq!((live.read_at(), live.refused().unwrap().at), (at(1), at(5)));
        assert_eq!(live.notes().len(), 1);
        let change = live.accept(from("camera:\n  fps: 10\n"), at(6));
        assert_eq!(change, Change::default());
        assert_eq!((live.refused(), live.read_at()), (None, at(6)));
    }

    #[test]
    fn every_value_is_shown_as_json_and_passwords_in_addresses_are_not() {
        let live = Live::new(Config::default(), at(1));
        for held in live.keys() {
            assert!(held.now.is_some(), "{}", held.key);
        }
        assert_eq!(held(&live, "camera.size").now, Some("1280x720".into()));
        let hidden = without_users(serde_json::json!(["turn://ada:pw@box:1", "box@home"]));
        assert_eq!(hidden, serde_json::json!(["turn://***@box:1", "box@home"]));
        assert!(is_secret("security.jwt_secret") && !is_secret("security.jwt_expiry_hours"));
    }
}
