//! The publisher's socket: one non-blocking TCP connection for the camera thread's `epoll`.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt, socket, sockopt,
};

use super::publisher::{Machine, Order};
use super::ring::Held;
use super::timeline::Timeline;
use super::{Limits, State, Target};
use crate::camera::Counters;
use crate::clock::{self, Mono, Now};
use crate::encode::AccessUnit;
use crate::pipeline::chain::Timing;

/// Writes per call at most, so that one camera's backlog cannot hold its thread: 64 batches are some
/// 6 MB. What is left goes on the next readiness.
const WRITES: usize = 64;

/// What to wait for on [`Publisher::fd`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interest {
    /// Bytes or the end may come.
    pub read: bool,
    /// Something waits to go.
    pub write: bool,
}

/// Publishes one camera to MediaMTX. Never blocks.
///
/// The owner watches [`Publisher::fd`] for [`Publisher::interest`] (level-triggered), asks anew after
/// every call: the socket may be another one.
#[derive(Debug)]
pub struct Publisher {
    machine: Machine,
    addr: SocketAddr,
    send_buffer: usize,
    socket: Option<TcpStream>,
    handshaking: bool,
    /// Counts sockets.
    connection: u64,
}

impl Publisher {
    /// A publisher that connects once the first key frame was pushed.
    #[must_use]
    pub fn new(target: Target, counters: Arc<Counters>, limits: Limits) -> Self {
        Self {
            addr: target.addr,
            send_buffer: limits.send_buffer,
            machine: Machine::new(target, counters, limits),
            socket: None,
            handshaking: false,
            connection: 0,
        }
    }

    /// Sends an access unit from where it lies, while MediaMTX records, and keeps a copy of it.
    pub fn push(&mut self, au: &AccessUnit<'_>, timing: Option<Timing>, now: Now) {
        self.machine.push(au, timing, now);
        self.obey(now);
        let written = self.write_out(au.data, now);
        // Only now, so that the wire does not wait for the copy; and before anything else may happen.
        self.machine.store(au.data);
        self.settle(written, now);
    }

    /// Has another stream's time told: that of the same camera.
    pub fn tell_time_of(&mut self, timeline: Timeline) {
        self.machine.tell_time_of(timeline);
    }

    /// Ends the session, and keeps what is pushed without sending it, until [`Publisher::release`].
    pub fn hold(&mut self, now: Now) {
        self.machine.hold();
        self.obey(now);
    }

    /// Sends again, from the last key frame on that was taken at or before `from`, or else from the first held.
    pub fn release(&mut self, from: Mono, now: Now) {
        self.machine.release(from, now);
        self.obey(now);
    }

    /// The newest group of pictures held, from its key frame to the newest access unit; nothing when
    /// that key frame is gone.
    pub fn last_group(&self) -> impl Iterator<Item = Held<'_>> {
        self.machine.last_group()
    }

    /// The socket, if there is one.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(TcpStream::as_fd)
    }

    /// Which socket it is: another number, another socket, even if its descriptor is the same number again.
    #[must_use]
    pub const fn connection(&self) -> u64 {
        self.connection
    }

    /// What to wait for.
    #[must_use]
    pub fn interest(&self) -> Interest {
        Interest {
            read: self.socket.is_some() && !self.handshaking,
            write: self.handshaking || (self.socket.is_some() && self.machine.wants_write()),
        }
    }

    /// The socket is ready, for whatever.
    pub fn on_ready(&mut self, now: Now) {
        if self.handshaking {
            self.finish_handshake(now);
        }
        self.read(now);
        self.write(now);
    }

    /// When to call [`Publisher::on_timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.machine.poll_timeout()
    }

    /// The time of [`Publisher::poll_timeout`] may have come.
    pub fn on_timeout(&mut self, now: Now) {
        self.machine.handle_timeout(now);
        self.obey(now);
        self.write(now);
    }

    /// Whether the encoder should make a key frame now; asking clears the wish.
    pub fn wants_keyframe(&mut self) -> bool {
        self.machine.take_keyframe_wish()
    }

    /// How the publisher stands, with the reason of the last failure.
    #[must_use]
    pub fn state(&self) -> State {
        self.machine.state()
    }

    /// Takes leave with TEARDOWN, as far as the socket takes it at once, and closes.
    pub fn stop(&mut self) {
        self.machine.stop();
        if let Some(mut socket) = self.socket.take() {
            let slices = self.machine.slices(&[]);
            if !self.handshaking && socket.write_vectored(&slices).is_ok() {
                // The goodbye is in the kernel's hands; the end of the stream follows it.
                let _ = socket.shutdown(Shutdown::Write);
            }
        }
        self.handshaking = false;
        let _ = self.machine.poll_order();
    }

    fn obey(&mut self, now: Now) {
        while let Some(order) = self.machine.poll_order() {
            self.socket = None;
            self.handshaking = false;
            if order == Order::Connect {
                match open(self.addr, self.send_buffer) {
                    Ok((socket, handshaking)) => {
                        self.socket = Some(socket);
                        self.connection += 1;
                        self.handshaking = handshaking;
                        if !handshaking {
                            self.machine.connected(now);
                        }
                    }
                    Err(errno) => self.fail(errno, now),
                }
            }
        }
    }

    fn finish_handshake(&mut self, now: Now) {
        let Some(socket) = &self.socket else { return };
        match socket.take_error() {
            Ok(None) if socket.peer_addr().is_ok() => {
                self.handshaking = false;
                self.machine.connected(now);
            }
            // Woken too early.
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => self.fail(error, now),
        }
        self.obey(now);
    }

    fn read(&mut self, now: Now) {
        let mut buffer = [0; 2048];
        while let Some(socket) = self.socket.as_mut().filter(|_| !self.handshaking) {
            match socket.read(&mut buffer) {
                Ok(0) => self.machine.failed("MediaMTX closed the connection", now),
                Ok(n) => self.machine.received(&buffer[..n], now),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) => self.fail(e, now),
            }
            self.obey(now);
        }
    }

    fn write(&mut self, now: Now) {
        let written = self.write_out(&[], now);
        self.settle(written, now);
    }

    /// Writes until nothing waits or the socket is full. `fresh` is what is being pushed.
    fn write_out(&mut self, fresh: &[u8], now: Now) -> std::io::Result<()> {
        let Some(socket) = self.socket.as_mut().filter(|_| !self.handshaking) else {
            return Ok(());
        };
        for _ in 0..WRITES {
            self.machine.fill(fresh, now);
            let result = {
                let slices = self.machine.slices(fresh);
                if slices.is_empty() {
                    return Ok(());
                }
                socket.write_vectored(&slices)
            };
            match result {
                Ok(n) => self.machine.written(n, clock::mono()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.machine.blocked(now);
                    return Ok(());
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn settle(&mut self, written: std::io::Result<()>, now: Now) {
        if let Err(e) = written {
            // A refusal may have come just before the end; it says more than a broken pipe.
            self.read(now);
            self.fail(e, now);
            self.obey(now);
        }
    }

    fn fail(&mut self, error: impl std::fmt::Display, now: Now) {
        self.machine
            .failed(format!("MediaMTX at {}: {error}", self.addr), now);
    }
}

/// A non-blocking connection, and whether its handshake is still under way.
fn open(addr: SocketAddr, send_buffer: usize) -> nix::Result<(TcpStream, bool)> {
    let family = if addr.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(family, SockType::Stream, flags, None)?;
    setsockopt(&fd, sockopt::TcpNoDelay, &true)?;
    setsockopt(&fd, sockopt::SndBuf, &send_buffer)?;
    let handshaking = match connect(fd.as_raw_fd(), &SockaddrStorage::from(addr)) {
        Ok(()) => false,
        Err(Errno::EINPROGRESS) => true,
        Err(errno) => return Err(errno),
    };
    Ok((TcpStream::from(fd), handshaking))
}
