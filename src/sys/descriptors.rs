//! How many files and sockets this process may have open: `setrlimit(2)`.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Takes as many as the system allows: it hands out 1,024 at first, for programs that use `select(2)`, and these are fewer
/// than the connections that the configuration may allow. Says how many there are now; `None` where it does not know.
#[must_use]
pub fn take_all() -> Option<u64> {
    let (soft, most) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    match setrlimit(Resource::RLIMIT_NOFILE, most, most) {
        Ok(()) => Some(most),
        Err(_) => Some(soft),
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    use super::take_all;

    #[test]
    fn a_low_beginning_is_no_bound() {
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, most.min(1024), most).unwrap();
        assert_eq!(take_all(), Some(most));
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (most, most));
    }
}
