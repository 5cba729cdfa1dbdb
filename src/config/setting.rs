//! How one value is read from YAML or the environment and written back for the reference page.

use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::Value;

use super::{LogFormat, Tls};
use crate::access::store::Expiry;
use crate::camera::CameraId;
use crate::capture::PixelFormat;
use crate::encode::Choice;
use crate::recording::modes::Mode;
use crate::recording::schedule::{Schedule, Zone};
use crate::units::{BitRate, Size};

/// A type that a configuration key may have.
pub trait Setting: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence that says what was expected and what was found.
    fn parse(value: &Value) -> Result<Self, String>;

    /// Writes it as YAML would have it.
    fn show(&self) -> String;
}

/// A text in quotes. What JSON escapes, YAML reads (YAML 1.2 §1.3); what Rust shows, it does not.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn expected<T>(what: &str, value: &Value) -> Result<T, String> {
    Err(format!("expected {what}, found {value}"))
}

/// Numbers may come as text from the environment.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(n) => n.as_u64(),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    }
}

impl Setting for u16 {
    fn parse(value: &Value) -> Result<Self, String> {
        match number(value).and_then(|n| Self::try_from(n).ok()) {
            Some(n) => Ok(n),
            None => expected("a number from 0 to 65535", value),
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for u32 {
    fn parse(value: &Value) -> Result<Self, String> {
        match number(value).and_then(|n| Self::try_from(n).ok()) {
            Some(n) => Ok(n),
            None => expected("a whole number, 0 or more", value),
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for bool {
    fn parse(value: &Value) -> Result<Self, String> {
        match value {
            Value::Bool(b) => Ok(*b),
            Value::String(s) if s == "true" || s == "1" => Ok(true),
            Value::String(s) if s == "false" || s == "0" => Ok(false),
            _ => expected("true or false", value),
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for String {
    fn parse(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(s) => Ok(s.clone()),
            _ => expected("text", value),
        }
    }
    fn show(&self) -> String {
        quoted(self)
    }
}

impl Setting for PathBuf {
    fn parse(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(s) => Ok(s.into()),
            Value::Null => Ok(Self::new()),
            _ => expected("a path", value),
        }
    }
    fn show(&self) -> String {
        quoted(&self.display().to_string())
    }
}

impl Setting for IpAddr {
    fn parse(value: &Value) -> Result<Self, String> {
        match value.as_str().and_then(|s| s.parse().ok()) {
            Some(ip) => Ok(ip),
            None => expected("an IP address such as 0.0.0.0 or \"::\"", value),
        }
    }
    fn show(&self) -> String {
        format!("{:?}", self.to_string())
    }
}

impl Setting for Size {
    fn parse(value: &Value) -> Result<Self, String> {
        let Some(size) = value.as_str().and_then(|s| s.parse::<Self>().ok()) else {
            return expected("a size such as 1280x720", value);
        };
        if size.is_possible() {
            Ok(size)
        } else {
            Err(format!(
                "{size} is impossible: both sides must be from {} to {} pixels",
                Self::SIDES.start(),
                Self::SIDES.end()
            ))
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for BitRate {
    fn parse(value: &Value) -> Result<Self, String> {
        match number(value).and_then(|n| u32::try_from(n).ok()) {
            Some(kbps) if Self::KBPS.contains(&kbps) => Ok(Self::from_kbps(kbps)),
            _ => {
                let (least, most) = (Self::KBPS.start(), Self::KBPS.end());
                expected(&format!("kbit/s from {least} to {most}"), value)
            }
        }
    }
    fn show(&self) -> String {
        self.as_kbps().to_string()
    }
}

impl Setting for Vec<String> {
    fn parse(value: &Value) -> Result<Self, String> {
        match value {
            Value::Array(items) => items.iter().map(String::parse).collect(),
            // From the environment: separated by commas.
            Value::String(s) => Ok(s
                .split(',')
                .map(str::trim)
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
                .collect()),
            Value::Null => Ok(Self::new()),
            _ => expected("a list of texts", value),
        }
    }
    fn show(&self) -> String {
        let shown: Self = self.iter().map(|text| quoted(text)).collect();
        format!("[{}]", shown.join(", "))
    }
}

impl Setting for Vec<CameraId> {
    fn parse(value: &Value) -> Result<Self, String> {
        Vec::<String>::parse(value)?
            .iter()
            .map(|id| id.parse())
            .collect()
    }
    fn show(&self) -> String {
        let ids: Vec<String> = self.iter().map(ToString::to_string).collect();
        format!("[{}]", ids.join(", "))
    }
}

impl Setting for Option<PixelFormat> {
    fn parse(value: &Value) -> Result<Self, String> {
        let Some(text) = value.as_str() else {
            return expected("a pixel layout", value);
        };
        if text == "auto" {
            return Ok(None);
        }
        <[u8; 4]>::try_from(text.as_bytes())
            .ok()
            .and_then(PixelFormat::from_fourcc)
            .map_or_else(
                || expected("auto, H264, NV12, YU12, YUYV, UYVY or MJPG", value),
                |f| Ok(Some(f)),
            )
    }
    fn show(&self) -> String {
        self.map_or_else(|| "auto".to_owned(), |f| f.to_string())
    }
}

impl Setting for Choice {
    fn parse(value: &Value) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|choice| value.as_str() == Some(choice.as_str()))
            .map_or_else(|| expected("auto, copy or software", value), Ok)
    }
    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

impl Setting for Expiry {
    fn parse(value: &Value) -> Result<Self, String> {
        match value.as_str() {
            Some(text) => text.parse(),
            None => expected("a time such as 90d, or never", value),
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for Mode {
    fn parse(value: &Value) -> Result<Self, String> {
        value.as_str().unwrap_or_default().parse()
    }
    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

impl Setting for Schedule {
    fn parse(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(Self::default()),
            Value::String(text) => text.parse(),
            _ => expected(
                "windows such as mon-fri 22:00-06:00; sat 00:00-24:00",
                value,
            ),
        }
    }
    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for Zone {
    fn parse(value: &Value) -> Result<Self, String> {
        match value.as_str() {
            Some(text) => text.parse(),
            None => expected("a time zone such as Europe/Berlin or \"+02:00\"", value),
        }
    }
    fn show(&self) -> String {
        quoted(self.name())
    }
}

impl Setting for Tls {
    fn parse(value: &Value) -> Result<Self, String> {
        // YAML 1.1 took these words for booleans, and some writers of YAML still do.
        match value {
            Value::Bool(false) => Ok(Self::Off),
            Value::Bool(true) => Ok(Self::On),
            Value::String(s) if s == "off" => Ok(Self::Off),
            Value::String(s) if s == "on" => Ok(Self::On),
            _ => expected("off or on", value),
        }
    }
    fn show(&self) -> String {
        match self {
            Self::Off => "off",
            Self::On => "on",
        }
        .to_owned()
    }
}

impl Setting for LogFormat {
    fn parse(value: &Value) -> Result<Self, String> {
        match value.as_str() {
            Some("auto") => Ok(Self::Auto),
            Some("text") => Ok(Self::Text),
            Some("json") => Ok(Self::Json),
            _ => expected("auto, text or json", value),
        }
    }
    fn show(&self) -> String {
        match self {
            Self::Auto => "auto",
            Self::Text => "text",
            Self::Json => "json",
        }
        .to_owned()
    }
}
