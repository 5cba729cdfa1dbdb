//! A camera's controls (exposure, white balance, focus, …) as people see them.
//!
//! The types are here; [`names`] knows what names tell, [`judge`] says what a control permits,
//! [`kept`] remembers what clients set. Only `io` speaks to a driver.

#[cfg(feature = "v4l2")]
pub mod io;
pub mod judge;
pub mod kept;
pub mod names;

/// What a control takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Range {
    /// `V4L2_CTRL_TYPE_INTEGER` and `_INTEGER64`.
    Integer {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
        /// Distance of permitted values, counted from `min`; at least 1.
        step: u64,
    },
    /// `V4L2_CTRL_TYPE_BOOLEAN`.
    Boolean,
    /// `V4L2_CTRL_TYPE_MENU` and `_INTEGER_MENU`: the permitted values and their names.
    Menu(Vec<(i64, String)>),
    /// `V4L2_CTRL_TYPE_BUTTON`: setting it does something once; it has no value.
    Button,
}

/// One control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Its name for programs: the driver's, in lower case with underscores, as `v4l2-ctl` shows it.
    pub name: String,
    /// Its name for people, as the driver says it.
    pub label: String,
    /// What it takes.
    pub range: Range,
    /// Its value now; 0 for a button.
    pub value: i64,
    /// The driver's default.
    pub default: i64,
    /// It has no effect now, because another one rules it (automatic exposure rules exposure time).
    pub inactive: bool,
    /// It can only be read.
    pub read_only: bool,
}

/// What a client wants a control to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// An integer, or a menu item by its number.
    Number(i64),
    /// On or off.
    Switch(bool),
    /// A menu item by its name.
    Item(String),
    /// The driver's default.
    Default,
}
