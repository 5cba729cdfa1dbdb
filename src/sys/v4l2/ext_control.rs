//! What reading and setting a control share: one `v4l2_ext_control` in its envelope, and how both fail.
//!
//! The value is a union of a 32-bit and a 64-bit number, and only the control's type says which of
//! them the driver means; so the caller says the [`Width`].

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc::c_int;
use v4l::v4l_sys::{
    V4L2_CTRL_WHICH_CUR_VAL, v4l2_ext_control, v4l2_ext_control__bindgen_ty_1, v4l2_ext_controls,
};

use super::{again, blank};

/// How wide a control's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// 32 bits: every control but those of type `V4L2_CTRL_TYPE_INTEGER64`.
    Narrow,
    /// 64 bits: `V4L2_CTRL_TYPE_INTEGER64`.
    Wide,
}

/// How reading or setting one control failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlFault {
    /// `ENOTTY`: the driver has no controls at all.
    Unsupported,
    /// `EINVAL`: there is no such control, or the driver refuses the value.
    Refused,
    /// `ERANGE`: the value lies outside what the control takes.
    Range,
    /// `EACCES`: the control can only be read, or only be written.
    Access,
    /// `EBUSY`: the control is locked while the stream runs, or another program holds it.
    Busy,
    /// `ENODEV` or `ENXIO`: the device was unplugged or unbound.
    Gone,
    /// `EIO` or `EPIPE`: the device did not carry it out; a camera with weak firmware may the next time.
    Broken,
    /// Anything else.
    Other(Errno),
}

impl From<Errno> for ControlFault {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::ENOTTY => Self::Unsupported,
            Errno::EINVAL => Self::Refused,
            Errno::ERANGE => Self::Range,
            Errno::EACCES => Self::Access,
            Errno::EBUSY => Self::Busy,
            Errno::ENODEV | Errno::ENXIO => Self::Gone,
            Errno::EIO | Errno::EPIPE => Self::Broken,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for ControlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported => f.write_str("the driver has no controls"),
            Self::Refused => f.write_str("the driver refused the control or its value"),
            Self::Range => f.write_str("the value is out of the control's range"),
            Self::Access => f.write_str("the control does not allow this access"),
            Self::Busy => f.write_str("the control is locked while the stream runs"),
            Self::Gone => f.write_str("the device is gone"),
            Self::Broken => f.write_str("the device did not carry it out"),
            Self::Other(errno) => f.write_str(errno.desc()),
        }
    }
}

impl std::error::Error for ControlFault {}

/// Runs `call` with one control in its envelope and returns the value that stands there afterwards.
pub(super) fn exchange(
    fd: BorrowedFd<'_>,
    id: u32,
    width: Width,
    value: i64,
    call: unsafe fn(c_int, *mut v4l2_ext_controls) -> nix::Result<c_int>,
) -> Result<i64, ControlFault> {
    let mut control = blank::<v4l2_ext_control>();
    control.id = id;
    control.__bindgen_anon_1 = match width {
        Width::Wide => v4l2_ext_control__bindgen_ty_1 { value64: value },
        Width::Narrow => v4l2_ext_control__bindgen_ty_1 {
            value: i32::try_from(value).map_err(|_| ControlFault::Range)?,
        },
    };
    let mut envelope = blank::<v4l2_ext_controls>();
    envelope.__bindgen_anon_1.which = V4L2_CTRL_WHICH_CUR_VAL;
    envelope.count = 1;
    envelope.controls = &raw mut control;
    // SAFETY: the kernel reads and writes one v4l2_ext_controls and the one control it points to;
    // both live to the end of this function, and a control of size 0 points nowhere else.
    again(|| unsafe { call(fd.as_raw_fd(), &raw mut envelope) })?;
    // SAFETY: both members are plain numbers, and the width tells which one the driver wrote.
    Ok(unsafe {
        match width {
            Width::Wide => control.__bindgen_anon_1.value64,
            Width::Narrow => i64::from(control.__bindgen_anon_1.value),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::v4l2::{g_ext_ctrls, s_ext_ctrls};
    use std::fs::File;
    use std::os::fd::AsFd;
    use v4l::v4l_sys::V4L2_CID_BRIGHTNESS;

    #[test]
    fn a_file_that_is_no_camera_has_no_controls() {
        let null = File::open("/dev/null").unwrap();
        assert_eq!(
            g_ext_ctrls::get(null.as_fd(), V4L2_CID_BRIGHTNESS),
            Err(ControlFault::Unsupported)
        );
        assert_eq!(
            s_ext_ctrls::set(null.as_fd(), V4L2_CID_BRIGHTNESS, 1),
            Err(ControlFault::Unsupported)
        );
    }

    #[test]
    fn a_value_too_wide_for_the_control_is_out_of_range_and_not_cut() {
        let null = File::open("/dev/null").unwrap();
        for value in [i64::MAX, i64::MIN, 1 << 31] {
            assert_eq!(
                s_ext_ctrls::set(null.as_fd(), V4L2_CID_BRIGHTNESS, value),
                Err(ControlFault::Range)
            );
        }
    }

    #[test]
    fn the_kernels_numbers_become_named_faults() {
        assert_eq!(ControlFault::from(Errno::EACCES), ControlFault::Access);
        assert_eq!(ControlFault::from(Errno::EPIPE), ControlFault::Broken);
        assert_eq!(
            ControlFault::from(Errno::ENOSPC).to_string(),
            "No space left on device"
        );
    }
}
