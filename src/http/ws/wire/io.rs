//! Counts what a client sends before it is a whole message, knows where frames end, and sends our own.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::http::seats::memory::GRAIN;
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
    /// A frame of ours, and how much of it has left. Empty, and without memory, when all of it has: the library
    /// would keep a buffer as large as the largest frame for as long as the socket lives.
    frame: Vec<u8>,
    gone: usize,
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
            frame: Vec::new(),
            gone: 0,
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

impl<S: Wire> Counted<S> {
    /// Sends a frame, past the library; true when all of it has left. Else it is kept, and flushing goes on with it.
    /// One at a time, and only while nothing of the library's own is on its way: flushing tells both.
    pub(in crate::http) fn send(&mut self, frame: Vec<u8>) -> io::Result<bool> {
        (self.frame, self.gone) = (frame, 0);
        // Nobody waits yet: who does, asks again.
        match Pin::new(self).poll_flush(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(left) => left.map(|()| true),
            Poll::Pending => Ok(false),
        }
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.frame.get(self.gone..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                count => self.gone += count,
            }
        }
        if self.gone > 0 {
            (self.frame, self.gone) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
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
        ready!(self.poll_frame(context))?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_frame(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_frame(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A WebSocket over whatever the connection was served on.
pub(in crate::http) type Ws<S> = WebSocketStream<Counted<S>>;

/// What a socket did.
pub(in crate::http) enum Io {
    /// Everything of ours has left.
    Flushed,
    /// A message came.
    Came(Message),
    /// Part of one came, and it is time to count again.
    Grew,
    /// It failed or ended.
    Failed(Error),
}

/// Sees off what is on its way out, and reads.
pub(in crate::http) fn poll_step<S: Wire>(
    ws: &mut Ws<S>,
    context: &mut Context<'_>,
    sending: bool,
    may_read: bool,
    counted: usize,
) -> Poll<Io> {
    if sending {
        let flushed = ready!(Pin::new(&mut *ws).poll_flush(context));
        return Poll::Ready(flushed.map_or_else(Io::Failed, |()| Io::Flushed));
    }
    if !may_read {
        return Poll::Pending;
    }
    match Pin::new(&mut *ws).poll_next(context) {
        Poll::Ready(Some(Ok(message))) => Poll::Ready(Io::Came(message)),
        Poll::Ready(Some(Err(error))) => Poll::Ready(Io::Failed(error)),
        Poll::Ready(None) => Poll::Ready(Io::Failed(Error::ConnectionClosed)),
        // Another read may be due, and is made at the next call.
        Poll::Pending if ws.get_ref().unfinished() >= counted + GRAIN => Poll::Ready(Io::Grew),
        Poll::Pending => Poll::Pending,
    }
}
