//! `VIDIOC_QUERY_EXT_CTRL`: what controls a node has and what they take.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::{self, V4L2_CTRL_FLAG_NEXT_CTRL, v4l2_query_ext_ctrl};

use super::ext_control::Width;
use super::{Fault, again, blank, text};

mod raw {
    nix::ioctl_readwrite!(query_ext_ctrl, b'V', 103, super::v4l2_query_ext_ctrl);
}

/// `V4L2_CTRL_TYPE_…`, as far as one number can be its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ControlType {
    /// `V4L2_CTRL_TYPE_INTEGER`.
    Integer,
    /// `V4L2_CTRL_TYPE_INTEGER64`.
    Integer64,
    /// `V4L2_CTRL_TYPE_BOOLEAN`.
    Boolean,
    /// `V4L2_CTRL_TYPE_MENU`.
    Menu,
    /// `V4L2_CTRL_TYPE_INTEGER_MENU`.
    IntegerMenu,
    /// `V4L2_CTRL_TYPE_BUTTON`.
    Button,
    /// Classes, strings, bit masks, arrays and compound types.
    Other,
}

impl ControlType {
    const fn from_raw(raw: u32) -> Self {
        match raw {
            v4l_sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER => Self::Integer,
            v4l_sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER64 => Self::Integer64,
            v4l_sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_BOOLEAN => Self::Boolean,
            v4l_sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU => Self::Menu,
            v4l_sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER_MENU => Self::IntegerMenu,
            v4l_sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_BUTTON => Self::Button,
            _ => Self::Other,
        }
    }

    /// Which half of the value the driver means.
    #[must_use]
    pub const fn width(self) -> Width {
        match self {
            Self::Integer64 => Width::Wide,
            _ => Width::Narrow,
        }
    }
}

/// One control as the driver describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// `V4L2_CID_…`.
    pub id: u32,
    /// What its value is.
    pub kind: ControlType,
    /// The driver's name for people.
    pub name: String,
    /// Least value; of a menu the first item.
    pub min: i64,
    /// Greatest value; of a menu the last item.
    pub max: i64,
    /// Distance of permitted values.
    pub step: u64,
    /// Default value.
    pub default: i64,
    /// `V4L2_CTRL_FLAG_…` bits.
    pub flags: u32,
}

impl Description {
    /// Whether the driver set this `V4L2_CTRL_FLAG_…`.
    #[must_use]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// The control with this id.
///
/// # Errors
/// [`Fault::Refused`] where the node has none, [`Fault::Unsupported`] where it has no controls at all.
pub fn query(fd: BorrowedFd<'_>, id: u32) -> Result<Description, Fault> {
    let mut raw = blank::<v4l2_query_ext_ctrl>();
    raw.id = id;
    // SAFETY: the kernel reads and writes one v4l2_query_ext_ctrl, which `raw` is.
    again(|| unsafe { raw::query_ext_ctrl(fd.as_raw_fd(), &raw mut raw) })?;
    Ok(Description {
        id: raw.id,
        kind: if raw.nr_of_dims == 0 {
            ControlType::from_raw(raw.type_)
        } else {
            ControlType::Other
        },
        // c_char has a sign on some targets and none on others.
        name: text(&raw.name.map(|c| c.to_ne_bytes()[0])),
        min: raw.minimum,
        max: raw.maximum,
        step: raw.step,
        default: raw.default_value,
        flags: raw.flags,
    })
}

/// The control with the next greater id, 0 to begin; `None` behind the last.
///
/// # Errors
/// Any [`Fault`] but `Refused`, which is how the kernel ends the list.
pub fn next(fd: BorrowedFd<'_>, after: u32) -> Result<Option<Description>, Fault> {
    match query(fd, after | V4L2_CTRL_FLAG_NEXT_CTRL) {
        // A driver whose ids do not rise would keep us here for ever.
        Ok(found) if found.id > after => Ok(Some(found)),
        Ok(_) | Err(Fault::Refused) => Ok(None),
        Err(fault) => Err(fault),
    }
}
