//! Whether anybody has a file open for writing: fcntl(2), `F_SETLEASE`.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use nix::libc::{self, c_int};

/// fcntl(2); not in every edition of the C library's headers.
const F_SETSIG: c_int = 10;

/// Whether anybody, this process included, has the file open for writing at this moment. `file` must be open for
/// reading only.
///
/// # Errors
/// The file system has no leases, or the file belongs to somebody else.
pub fn is_open_for_writing(file: &File) -> io::Result<bool> {
    // Whoever opens the file for writing during the few instructions in which we hold the lease has the kernel send us a
    // signal. The usual one would end the process; this one is ignored unless somebody asks for it.
    call(file, F_SETSIG, libc::SIGURG)?;
    match call(file, libc::F_SETLEASE, libc::F_RDLCK) {
        Ok(()) => call(file, libc::F_SETLEASE, libc::F_UNLCK).map(|()| false),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(e) => Err(e),
    }
}

fn call(file: &File, command: c_int, argument: c_int) -> io::Result<()> {
    // SAFETY: both commands take a number and no pointer, and the descriptor is open for as long as `file` is borrowed.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, argument) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;

    #[test]
    fn a_writer_is_noticed_for_as_long_as_it_has_the_file_open() {
        let path = std::env::temp_dir().join(format!("lease-{}", uuid::Uuid::new_v4()));
        let writer = File::create(&path).unwrap();
        let reader = File::open(&path).unwrap();
        assert!(is_open_for_writing(&reader).unwrap());
        drop(writer);
        assert!(!is_open_for_writing(&reader).unwrap());
        // Nothing of the question stays behind: a writer is not kept waiting.
        drop(OpenOptions::new().write(true).open(&path).unwrap());
        std::fs::remove_file(path).unwrap();
    }
}
