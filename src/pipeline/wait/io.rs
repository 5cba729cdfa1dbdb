//! The camera thread's `epoll(7)`.
//!
//! The law: a descriptor is registered once and changed only when what is wanted of it changes, so a steady stream costs
//! one system call per wake. Descriptors leave by being closed; the kernel forgets them then. As a number may be given out
//! again at once, everyone says with the descriptor which opening it belongs to.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::clock::Mono;
use crate::error::{Error, Kind, Result};
use crate::pipeline::chain::{MOST_DESCRIPTORS, Part, Ready};

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// The stop signal.
    Stop,
    /// Orders from other threads.
    Inbox,
    /// The publisher's socket.
    Publisher,
    /// The socket of the publisher to the camera's second path.
    Second,
    /// The chain's descriptors.
    Chain(u8),
}

/// Stop, inbox, two publishers, camera, encoder, and one to spare.
const SEATS: usize = 7;

impl Token {
    fn seat(self) -> usize {
        match self {
            Self::Stop => 0,
            Self::Inbox => 1,
            Self::Publisher => 2,
            Self::Second => 3,
            Self::Chain(nth) => (4 + usize::from(nth)).min(SEATS - 1),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seat {
    fd: RawFd,
    opening: u64,
    flags: EpollFlags,
}

/// The device broke, or is gone.
const FAILED: EpollFlags = EpollFlags::EPOLLERR.union(EpollFlags::EPOLLHUP);

/// What a wait brought.
#[derive(Debug, Clone, Copy, Default)]
pub struct Woken([Option<EpollFlags>; SEATS]);

impl Woken {
    /// True when `token` has something.
    #[must_use]
    pub fn has(&self, token: Token) -> bool {
        self.0[token.seat()].is_some()
    }

    /// True when any descriptor of the chain has something.
    #[must_use]
    pub fn chain(&self) -> bool {
        self.0[Token::Chain(0).seat()..].iter().any(Option::is_some)
    }

    /// What the chain's descriptors have, in their order.
    #[must_use]
    pub fn ready(&self) -> [Ready; MOST_DESCRIPTORS] {
        std::array::from_fn(|nth| match self.0[Token::Chain(0).seat() + nth] {
            None => Ready::default(),
            // Asking is how to learn what failed.
            Some(flags) if flags.intersects(FAILED) => Ready::ALL,
            Some(flags) => Ready {
                readable: flags.contains(EpollFlags::EPOLLIN),
                writable: flags.contains(EpollFlags::EPOLLOUT),
                event: flags.contains(EpollFlags::EPOLLPRI),
            },
        })
    }

    /// Whose descriptor reports a failure, if one of the chain does.
    #[must_use]
    pub fn failed(&self) -> Option<Part> {
        let failed = |nth| self.0[Token::Chain(nth).seat()].is_some_and(|f| f.intersects(FAILED));
        match (failed(1), failed(0)) {
            (true, _) => Some(Part::Encoder),
            (false, true) => Some(Part::Capture),
            (false, false) => None,
        }
    }
}

/// The `epoll` of one thread.
#[derive(Debug)]
pub struct Waiter {
    epoll: Epoll,
    seats: [Option<Seat>; SEATS],
}

impl Waiter {
    /// Waits for nothing yet.
    ///
    /// # Errors
    /// `Internal` when the kernel gives no descriptor.
    pub fn new() -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(|e| Error::new(Kind::Internal, "no epoll descriptor").because(e))?;
        Ok(Self {
            epoll,
            seats: [None; SEATS],
        })
    }

    /// Wants `flags` of `fd` for `token`; `opening` tells apart descriptors that got the same number.
    ///
    /// # Errors
    /// `Internal` when the kernel refuses.
    pub fn want(
        &mut self,
        token: Token,
        fd: BorrowedFd<'_>,
        opening: u64,
        flags: EpollFlags,
    ) -> Result<()> {
        let wanted = Seat {
            fd: fd.as_raw_fd(),
            opening,
            flags,
        };
        let seat = &mut self.seats[token.seat()];
        if *seat == Some(wanted) {
            return Ok(());
        }
        let mut event = EpollEvent::new(flags, token.seat() as u64);
        let known = seat.is_some_and(|s| (s.fd, s.opening) == (wanted.fd, wanted.opening));
        let done = if known {
            self.epoll.modify(fd, &mut event)
        } else {
            match self.epoll.add(fd, event) {
                Err(Errno::EEXIST) => self.epoll.modify(fd, &mut event),
                other => other,
            }
        };
        done.map_err(|e| Error::new(Kind::Internal, "epoll refuses a descriptor").because(e))?;
        *seat = Some(wanted);
        Ok(())
    }

    /// Whoever sat there has closed its descriptor.
    pub fn left(&mut self, token: Token) {
        self.seats[token.seat()] = None;
    }

    /// Waits until `deadline`, at most.
    #[must_use]
    pub fn wait(&self, now: Mono, deadline: Mono) -> Woken {
        // Rounded up, lest the last fraction of a millisecond becomes a busy loop.
        let millis =
            u16::try_from(deadline.since(now).as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        let mut events = [EpollEvent::empty(); SEATS];
        let mut woken = Woken::default();
        // An interrupted wait is an early wake, which the caller's deadlines bear.
        let count = self
            .epoll
            .wait(&mut events, EpollTimeout::from(millis))
            .unwrap_or(0);
        for event in &events[..count.min(SEATS)] {
            if let Some(slot) = usize::try_from(event.data())
                .ok()
                .and_then(|at| woken.0.get_mut(at))
            {
                *slot = Some(event.events());
            }
        }
        woken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::supervise::Stop;
    use std::time::Duration;

    fn wait(waiter: &Waiter) -> Woken {
        let now = clock::mono();
        waiter.wait(now, now + Duration::from_millis(1))
    }

    #[test]
    fn a_descriptor_that_took_over_a_closed_ones_number_is_heard() {
        let mut waiter = Waiter::new().unwrap();
        let first = Stop::new().unwrap();
        let number = first.fd().as_raw_fd();
        waiter
            .want(Token::Publisher, first.fd(), 1, EpollFlags::EPOLLIN)
            .unwrap();
        drop(first);
        let second = Stop::new().unwrap();
        if second.fd().as_raw_fd() != number {
            return; // another test of this process took the number
        }
        second.give();
        waiter
            .want(Token::Publisher, second.fd(), 2, EpollFlags::EPOLLIN)
            .unwrap();
        assert!(wait(&waiter).has(Token::Publisher));
        assert!(!wait(&waiter).chain());
    }

    #[test]
    fn what_is_no_longer_wanted_is_not_reported() {
        let mut waiter = Waiter::new().unwrap();
        let stop = Stop::new().unwrap();
        stop.give();
        waiter
            .want(Token::Chain(1), stop.fd(), 1, EpollFlags::EPOLLIN)
            .unwrap();
        assert!(wait(&waiter).chain());
        waiter
            .want(Token::Chain(1), stop.fd(), 1, EpollFlags::empty())
            .unwrap();
        assert!(!wait(&waiter).chain());
    }
}
