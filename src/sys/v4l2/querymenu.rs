//! `VIDIOC_QUERYMENU`: the items of a menu control.

use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l_sys::v4l2_querymenu;

use super::{Fault, again, blank, text};

mod raw {
    nix::ioctl_readwrite!(querymenu, b'V', 37, super::v4l2_querymenu);
}

fn query(fd: BorrowedFd<'_>, id: u32, index: u32) -> Result<Option<v4l2_querymenu>, Fault> {
    let mut item = blank::<v4l2_querymenu>();
    item.id = id;
    item.index = index;
    // SAFETY: the kernel reads and writes one v4l2_querymenu, which `item` is.
    let result = again(|| unsafe { raw::querymenu(fd.as_raw_fd(), &raw mut item) });
    match result.map_err(Fault::from) {
        Ok(()) => Ok(Some(item)),
        Err(Fault::Refused) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// The name of item `index` of a `V4L2_CTRL_TYPE_MENU`; `None` where the menu has a gap.
///
/// # Errors
/// Any [`Fault`] but `Refused`, which is how the kernel says that there is a gap.
pub fn name(fd: BorrowedFd<'_>, id: u32, index: u32) -> Result<Option<String>, Fault> {
    let item = query(fd, id, index)?;
    // SAFETY: any byte is a valid u8, and for this type of control the kernel wrote the name.
    Ok(item.map(|item| text(&unsafe { item.__bindgen_anon_1.name })))
}

/// The number that item `index` of a `V4L2_CTRL_TYPE_INTEGER_MENU` stands for; `None` where the
/// menu has a gap.
///
/// # Errors
/// Any [`Fault`] but `Refused`, which is how the kernel says that there is a gap.
pub fn number(fd: BorrowedFd<'_>, id: u32, index: u32) -> Result<Option<i64>, Fault> {
    let item = query(fd, id, index)?;
    // SAFETY: any bits are a valid i64, and for this type of control the kernel wrote the number.
    Ok(item.map(|item| unsafe { item.__bindgen_anon_1.value }))
}
