//! `camera-service keys`: what it takes, and what it shows.

pub(super) mod io;

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::parse_role;
use crate::access::Role;
use crate::access::store::{Expiry, KeyRecord, KeyStatus, Store};
use crate::clock::Wall;

/// `camera-service keys`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How answers look
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The configuration that names the data folder
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a key; it is shown this once and kept nowhere
    Generate {
        /// viewer, operator or admin
        #[arg(long, value_parser = parse_role)]
        role: Role,
        /// How long it lasts: 12h, 30d, 90d, 1y or never; the configured time without it
        #[arg(long, value_parser = parse_expiry)]
        expiry: Option<Expiry>,
        /// What it is for
        #[arg(long, default_value = "")]
        description: String,
        /// Also beyond the configured number of keys per role
        #[arg(long)]
        force: bool,
    },
    /// List the keys, newest first
    List {
        /// Only keys of this role
        #[arg(long, value_parser = parse_role)]
        role: Option<Role>,
        /// Only keys that are active, revoked or expired
        #[arg(long, value_parser = parse_status)]
        status: Option<KeyStatus>,
    },
    /// Take a key's rights at once
    Revoke {
        /// The key's id, from list
        #[arg(long)]
        key_id: String,
    },
    /// Replace a key by a new one of the same kind; the old one ends at once
    Rotate {
        /// The key's id, from list
        #[arg(long, required_unless_present = "role", conflicts_with = "role")]
        key_id: Option<String>,
        /// Every active key of this role
        #[arg(long, value_parser = parse_role)]
        role: Option<Role>,
        /// With --role: also when the role has several keys
        #[arg(long)]
        force: bool,
    },
    /// Write what is known of a key; not the key itself, which is not kept
    Export {
        /// The key's id, from list
        #[arg(long)]
        key_id: String,
        /// Into this file, made with mode 0600; standard output without it
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Drop the records of revoked and expired keys
    Cleanup {
        /// Only show what would be dropped
        #[arg(long)]
        dry_run: bool,
    },
    /// Count the keys by role and status
    Stats,
}

impl Args {
    /// Whether it changes what opens the service.
    pub(in crate::cli) const fn changes(&self) -> bool {
        matches!(
            self.verb,
            Verb::Generate { .. } | Verb::Revoke { .. } | Verb::Rotate { .. }
        )
    }
}

fn parse_expiry(text: &str) -> Result<Expiry, String> {
    text.parse()
}

fn parse_status(text: &str) -> Result<KeyStatus, String> {
    text.parse()
}

/// One key as JSON, with the field names of the record.
fn as_json(key: &KeyRecord, now: Wall) -> Value {
    let time = |secs: Option<u64>| secs.map(|secs| Wall::from_secs(secs).rfc3339());
    json!({
        "id": key.id,
        "role": key.role.as_str(),
        "description": key.description,
        "created_at": time(Some(key.created_at)),
        "expires_at": time(key.expires_at),
        "last_used": time(key.last_used),
        "usage_count": key.usage_count,
        "status": key.status(now).as_str(),
    })
}

/// Keys in a table for people, or as a JSON array.
fn listed(keys: &[&KeyRecord], format: Format, now: Wall) -> String {
    if format == Format::Json {
        let keys: Vec<Value> = keys.iter().map(|key| as_json(key, now)).collect();
        return format!("{:#}\n", Value::from(keys));
    }
    if keys.is_empty() {
        return "no keys\n".to_owned();
    }
    let time = |secs: Option<u64>| {
        let text = secs.map(|secs| Wall::from_secs(secs).rfc3339());
        // Minutes are enough for people.
        text.map_or_else(|| "never".to_owned(), |t| t[..16].replace('T', " "))
    };
    let head = [
        "ID",
        "ROLE",
        "STATUS",
        "EXPIRES",
        "LAST USED",
        "USED",
        "DESCRIPTION",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(keys.iter().map(|key| {
        [
            key.id.clone(),
            key.role.as_str().to_owned(),
            key.status(now).as_str().to_owned(),
            time(key.expires_at),
            time(key.last_used),
            key.usage_count.to_string(),
            key.description.clone(),
        ]
    }));
    aligned(&rows)
}

/// Columns as wide as their widest entry, two spaces apart.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let entries = rows.iter().map(|row| row[column].chars().count());
        entries.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (entry, width) in row.iter().zip(&widths) {
            // Writing to a String cannot fail.
            let _ = write!(line, "{entry:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A new key, shown for the only time.
fn made(key: &KeyRecord, text: &str, format: Format, now: Wall) -> String {
    if format == Format::Json {
        let mut shown = as_json(key, now);
        shown["key"] = text.into();
        return format!("{shown:#}\n");
    }
    let end = key.expires_at.map_or_else(
        || "never".to_owned(),
        |secs| Wall::from_secs(secs).rfc3339(),
    );
    format!(
        "{text}\n\nid       {}\nrole     {}\nexpires  {end}\n\nThe key is shown this once and kept nowhere: store it now.\n",
        key.id,
        key.role.as_str(),
    )
}

/// How many keys there are, by role and status.
fn counted(store: &Store, format: Format, now: Wall) -> String {
    let count = |role: Role, status: KeyStatus| {
        let keys = store.keys.iter();
        keys.filter(|key| key.role == role && key.status(now) == status)
            .count()
    };
    let used: u64 = store.keys.iter().map(|key| key.usage_count).sum();
    if format == Format::Json {
        let roles: serde_json::Map<String, Value> = Role::ALL
            .into_iter()
            .map(|role| {
                let counts: serde_json::Map<String, Value> = KeyStatus::ALL
                    .into_iter()
                    .map(|status| (status.as_str().to_owned(), count(role, status).into()))
                    .collect();
                (role.as_str().to_owned(), counts.into())
            })
            .collect();
        let shown = json!({
            "total": store.keys.len(),
            "by_role": roles,
            "usage_count": used,
            "revocations": store.revoked.len(),
        });
        return format!("{shown:#}\n");
    }
    let mut rows = vec![["ROLE", "ACTIVE", "REVOKED", "EXPIRED"].map(str::to_owned)];
    rows.extend(Role::ALL.map(|role| {
        let [active, revoked, expired] = KeyStatus::ALL.map(|s| count(role, s).to_string());
        [role.as_str().to_owned(), active, revoked, expired]
    }));
    format!(
        "{}\n{} keys, used {used} times; {} tokens and users revoked\n",
        aligned(&rows),
        store.keys.len(),
        store.revoked.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall::from_secs(1_800_000_000);

    fn key(id: &str, role: Role, revoked_at: Option<u64>) -> KeyRecord {
        KeyRecord {
            id: id.to_owned(),
            hash: "00ff".to_owned(),
            role,
            description: "the gate".to_owned(),
            created_at: NOW.as_secs() - 60,
            expires_at: None,
            revoked_at,
            last_used: Some(NOW.as_secs()),
            usage_count: 7,
        }
    }

    #[test]
    fn a_table_is_aligned_and_says_never_where_there_is_no_end() {
        let (a, b) = (
            key("key_a", Role::Operator, None),
            key("key_bb", Role::Admin, Some(1)),
        );
        let table = listed(&[&a, &b], Format::Table, NOW);
        assert_eq!(
            table,
            "ID      ROLE      STATUS   EXPIRES  LAST USED         USED  DESCRIPTION\n\
             key_a   operator  active   never    2027-01-15 08:00  7     the gate\n\
             key_bb  admin     revoked  never    2027-01-15 08:00  7     the gate\n"
        );
        assert_eq!(listed(&[], Format::Table, NOW), "no keys\n");
        assert_eq!(listed(&[], Format::Json, NOW), "[]\n");
    }

    #[test]
    fn neither_form_shows_the_hash() {
        let a = key("key_a", Role::Operator, None);
        for format in [Format::Table, Format::Json] {
            assert!(!listed(&[&a], format, NOW).contains("00ff"));
            assert!(!made(&a, "csk_x", format, NOW).contains("00ff"));
        }
    }

    #[test]
    fn counts_are_by_role_and_status() {
        let store = Store {
            keys: vec![
                key("a", Role::Operator, None),
                key("b", Role::Operator, Some(1)),
                key("c", Role::Viewer, None),
            ],
            ..Store::default()
        };
        let shown: Value = serde_json::from_str(&counted(&store, Format::Json, NOW)).unwrap();
        assert_eq!(shown["total"], 3);
        assert_eq!(shown["by_role"]["operator"]["revoked"], 1);
        assert_eq!(shown["by_role"]["viewer"]["active"], 1);
        assert_eq!(shown["usage_count"], 21);
        assert!(counted(&store, Format::Table, NOW).contains("operator  1       1        0"));
    }
}
