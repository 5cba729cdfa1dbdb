//! `mmap` of a driver's buffer: to read what it filled, or to fill what it shall read.

use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::libc::{c_void, off_t};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// One buffer of the driver in our address space. Unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<c_void>,
    length: usize,
}

// SAFETY: the mapping belongs to the process, not to the thread that made it.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `length` bytes at `offset`, as the driver names the place of its buffer.
    ///
    /// # Errors
    /// `EINVAL` for an empty or unreachable place, `ENOMEM` when address space is short.
    pub fn new(fd: BorrowedFd<'_>, length: u32, offset: u32) -> Result<Self, Errno> {
        Self::with(fd, length, offset, ProtFlags::PROT_READ)
    }

    fn with(
        fd: BorrowedFd<'_>,
        length: u32,
        offset: u32,
        protection: ProtFlags,
    ) -> Result<Self, Errno> {
        let length = usize::try_from(length)
            .ok()
            .and_then(NonZeroUsize::new)
            .ok_or(Errno::EINVAL)?;
        // By way of usize, because off_t has 32 bits on some targets and 64 on others.
        let offset = usize::try_from(offset)
            .ok()
            .and_then(|offset| off_t::try_from(offset).ok())
            .ok_or(Errno::EINVAL)?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
        let start = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, fd, offset) }?;
        Ok(Self {
            start,
            length: length.get(),
        })
    }

    /// The bytes from `from` up to `to`, both clamped to the mapping.
    ///
    /// Only of a buffer that is dequeued: the driver writes to queued ones.
    #[must_use]
    pub fn bytes(&self, from: u32, to: u32) -> &[u8] {
        // SAFETY: `start` is mapped readable for `length` bytes until `self` is dropped, any byte
        // is a valid u8, and the driver leaves a dequeued buffer alone.
        let all = unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.length) };
        let clamp = |at: u32| usize::try_from(at).map_or(self.length, |at| at.min(self.length));
        all.get(clamp(from)..clamp(to)).unwrap_or_default()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `start` and `length` are those of our own mapping; no slice outlives `self`.
        // Failing would mean that it was unmapped already, and there is nothing left to do then.
        let _ = unsafe { munmap(self.start, self.length) };
    }
}

/// One buffer of the driver in our address space, to be filled by us. Unmapped when dropped.
#[derive(Debug)]
pub struct WritableMapping(Mapping);

impl WritableMapping {
    /// Maps `length` bytes at `offset`, as [`Mapping::new`] does, for reading and writing.
    ///
    /// # Errors
    /// As [`Mapping::new`].
    pub fn new(fd: BorrowedFd<'_>, length: u32, offset: u32) -> Result<Self, Errno> {
        let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        Mapping::with(fd, length, offset, both).map(Self)
    }

    /// All its bytes. Only of a buffer that is dequeued: the driver reads queued ones.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: mapped readable and writable for `length` bytes until `self` is dropped; `&mut
        // self` keeps any other slice of it away; any byte is a valid u8.
        unsafe { std::slice::from_raw_parts_mut(self.0.start.as_ptr().cast(), self.0.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn a_mapping_never_shows_bytes_beyond_its_end() {
        let mut file = nix::unistd::mkstemp(&std::env::temp_dir().join("mappingXXXXXX"))
            .map(|(fd, path)| {
                let _ = std::fs::remove_file(path);
                std::fs::File::from(fd)
            })
            .unwrap();
        file.write_all(&[7; 4096]).unwrap();
        let mapping = Mapping::new(file.as_fd(), 4096, 0).unwrap();
        assert_eq!(mapping.bytes(0, 4096).len(), 4096);
        assert_eq!(mapping.bytes(0, u32::MAX).len(), 4096);
        assert_eq!(mapping.bytes(4000, 4096), [7; 96]);
        assert!(mapping.bytes(9, 3).is_empty());
        assert!(mapping.bytes(u32::MAX, u32::MAX).is_empty());
        assert_eq!(Mapping::new(file.as_fd(), 0, 0).unwrap_err(), Errno::EINVAL);
        let mut writable = WritableMapping::new(file.as_fd(), 4096, 0).unwrap();
        writable.bytes_mut()[4095] = 9;
        assert_eq!(mapping.bytes(4094, 4096), [7, 9]);
    }
}
