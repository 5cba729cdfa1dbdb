//! The descriptor inside the `v4l` crate's device, for calls that the crate does not offer.

use std::os::fd::BorrowedFd;

/// Lends the device's descriptor.
#[must_use]
pub fn handle(device: &v4l::Device) -> BorrowedFd<'_> {
    // SAFETY: the device keeps its descriptor open until it is dropped, which the borrow outlaws.
    unsafe { BorrowedFd::borrow_raw(device.handle().fd()) }
}
