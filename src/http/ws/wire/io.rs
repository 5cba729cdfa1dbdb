//! Counts what a client sends before it is a whole message, and knows where frames end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::ws::frames::Frames;

/// What a socket runs over: TCP, or TLS over it.
pub(in crate::http) trait Wire:
    AsyncRead + AsyncWrite + Unpin + Send + 'static
{
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Wire for S {}

/// A stream that knows how much of an unfinished message has come through it.
pub(in crate::http) struct Counted<S> {
    stream: S,
    frames: Frames,
    unfinished: usize,
    stale: bool,
}

impl<S> Counted<S> {
    /// Over `stream`, from which `early` was read already.
    pub(in crate::http) fn new(stream: S, early: &[u8]) -> Self {
        let mut frames = Frames::default();
        frames.feed(early);
        Self {
            stream,
            frames,
            unfinished: early.len(),
            stale: frames.is_large(),
        }
    }

    /// Bytes that came since the last whole message.
    pub(in crate::http) const fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// A whole message was taken.
    pub(in crate::http) const fn taken(&mut self) {
        if !self.frames.is_fragmented() {
            self.unfinished = 0;
        }
    }

    /// The buffers above are larger than they need be: reads go no further than a frame from now on.
    pub(in crate::http) const fn grown(&mut self) {
        self.stale = true;
    }

    /// Whether the buffers above should be new ones, and can be: nothing is in them once the message of the
    /// last read is taken.
    pub(in crate::http) const fn can_renew(&self) -> bool {
        self.stale && self.frames.leaves_nothing()
    }

    /// The buffers above are new.
    pub(in crate::http) const fn renewed(&mut self) {
        self.stale = false;
        self.frames.renewed();
    }

    /// The stream itself.
    pub(in crate::http) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: Wire> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let room = if this.stale {
            buffer.remaining().min(this.frames.to_next_end())
        } else {
            buffer.remaining()
        };
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
        let read = part.filled();
        this.frames.feed(read);
        this.stale |= this.frames.is_large();
        let count = read.len();
        this.unfinished += count;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: Wire> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
