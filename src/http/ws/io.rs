//! One task per WebSocket: reads messages, runs them through [`crate::rpc`], sends what comes out.
//!
//! The task owns the whole socket. Requests that take time run beside the reading, a bounded number
//! at once; beyond it nothing is read, and TCP holds the client back. While an answer waits for a
//! slow reader nothing is read either. News wait in one ring shared by all sockets; who lags behind
//! loses the oldest and learns how many, and who takes nothing for too long is cut.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use hyper::Request;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::beat::{Beat, Due};
use super::feed::io::Ear;
use super::news::News;
use crate::clock;
use crate::http::io::{Shared, asked};
use crate::http::reply::io::text;
use crate::http::seats::io::Seat;
use crate::rpc::dispatch::{Reply, Room, accept};
use crate::rpc::links::Reached;
use crate::rpc::session::Session;
use crate::rpc::table::{Answer, Outcome};

/// Allocated per socket for as long as it lives; a longer message gets its own memory.
const READ_BUFFER: usize = 1 << 10;
/// How long a close frame may take to be read by a client that still sends.
const LINGER: Duration = Duration::from_secs(2);

/// An upgrade that has been promised to the client.
pub(in crate::http) struct Upgrade {
    pub(in crate::http) stream: OnUpgrade,
    pub(in crate::http) reached: Arc<Reached>,
}

/// Checks an opening handshake (RFC 6455 §4.2.1) and gives the accept key, or status and reason.
pub(in crate::http) fn accept_key<B>(request: &Request<B>) -> Result<String, (u16, &'static str)> {
    let names = |header: &str, word: &str| {
        let mut values = request.headers().get_all(header).iter();
        values.any(|value| {
            value
                .to_str()
                .is_ok_and(|v| v.split(',').any(|v| v.trim().eq_ignore_ascii_case(word)))
        })
    };
    if !names("upgrade", "websocket") || !names("connection", "upgrade") {
        return Err((426, "this path is a WebSocket; connect to it with ws://"));
    }
    if text(request, "sec-websocket-version") != Some("13") {
        return Err((426, "only version 13 of the WebSocket protocol is spoken"));
    }
    // Sixteen bytes in base64.
    match text(request, "sec-websocket-key") {
        Some(key) if key.len() == 24 && key.ends_with("==") => {
            Ok(derive_accept_key(key.as_bytes()))
        }
        _ => Err((
            400,
            "Sec-WebSocket-Key is missing or is not 16 bytes in base64",
        )),
    }
}

/// What a socket runs over: TCP, or TLS over it.
pub(in crate::http) trait Wire:
    AsyncRead + AsyncWrite + Unpin + Send + 'static
{
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Wire for S {}

type Ws<S> = WebSocketStream<S>;
type Running = FuturesUnordered<Pin<Box<dyn Future<Output = (Reply, Answer)> + Send>>>;

/// How a conversation ends.
enum End {
    /// The other side has gone, or takes nothing any more.
    Gone,
    /// We say goodbye.
    Close(CloseCode, &'static str),
}

/// Runs a socket from its upgrade to its end; `S` is what the connection was served on.
pub(in crate::http) async fn run<S: Wire>(
    upgrade: Upgrade,
    shared: Arc<Shared>,
    seat: Arc<Seat>,
    shutdown: watch::Receiver<bool>,
) {
    let Ok(upgraded) = upgrade.stream.await else {
        return;
    };
    let Ok(parts) = upgraded.downcast::<TokioIo<S>>() else {
        return;
    };
    let longest = shared.services.limits.message_bytes;
    let longest = (longest != 0).then_some(longest);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(longest)
        .max_frame_size(longest);
    let stream = parts.io.into_inner();
    let early = parts.read_buf.to_vec();
    // Empty or not, it keeps hyper's 8 KiB alive.
    drop(parts.read_buf);
    let mut ws = Ws::from_partially_read(stream, early, Role::Server, Some(config)).await;
    let _connected = shared.services.desk.system.connected();
    let room = Room {
        methods: shared.services.methods,
        desk: Arc::clone(&shared.services.desk),
        reached: upgrade.reached,
    };
    let mut talk = Talk {
        beat: Beat::new(&shared.services.limits, clock::mono()),
        session: Session::new(uuid::Uuid::new_v4().to_string()),
        patience: shared.services.limits.write_within,
        in_flight: shared.services.limits.in_flight,
        known: false,
        missed: 0,
        room,
        seat,
    };
    let news = shared.feed.listen();
    if let End::Close(code, reason) = talk.converse(&mut ws, news, shutdown).await {
        goodbye(&mut ws, code, reason).await;
    }
}

struct Talk {
    room: Room,
    session: Session,
    beat: Beat,
    seat: Arc<Seat>,
    known: bool,
    missed: u64,
    patience: Duration,
    in_flight: usize,
}

impl Talk {
    async fn converse<S: Wire>(
        &mut self,
        ws: &mut Ws<S>,
        mut news: Ear,
        mut shutdown: watch::Receiver<bool>,
    ) -> End {
        let mut running = Running::new();
        loop {
            let wake = wake(self.beat.poll_timeout());
            let may_read = self.in_flight == 0 || running.len() < self.in_flight;
            let sent = tokio::select! {
                () = asked(&mut shutdown) => {
                    return End::Close(CloseCode::Away, "the service stops");
                }
                Some((reply, answer)) = running.next() => {
                    // Reading may have been held back, and so the pongs.
                    self.beat.heard(clock::mono());
                    self.answer(ws, &reply, &answer).await
                }
                heard = news.next() => match heard {
                    Some((news, lost)) => match self.catch_up(ws, lost).await {
                        Ok(()) => self.tell(ws, &news).await,
                        gone => gone,
                    },
                    None => return End::Gone,
                },
                () = wake => match self.beat.due(clock::mono()) {
                    None => Ok(()),
                    Some(Due::Ping) => self.send(ws, Message::Ping(Vec::new().into())).await,
                    // Nothing could be heard while nothing was read.
                    Some(Due::Dead) if !may_read => {
                        self.beat.heard(clock::mono());
                        Ok(())
                    }
                    Some(Due::Dead) => return End::Gone,
                    Some(Due::LoginOverdue) => {
                        return End::Close(CloseCode::Policy, "nobody logged in in time");
                    }
                },
                message = ws.next(), if may_read => {
                    self.beat.heard(clock::mono());
                    match message {
                        Some(Ok(Message::Text(text))) => self.take(ws, &text, &mut running).await,
                        Some(Ok(Message::Binary(_))) => {
                            return End::Close(CloseCode::Unsupported, "send text, not binary");
                        }
                        Some(Ok(_)) => Ok(()),
                        Some(Err(error)) => return end_of(&error),
                        None => return End::Gone,
                    }
                }
            };
            if sent.is_err() {
                return End::Gone;
            }
        }
    }

    async fn take<S: Wire>(
        &mut self,
        ws: &mut Ws<S>,
        text: &str,
        running: &mut Running,
    ) -> Result<(), ()> {
        let now = clock::now();
        let turn = accept(&self.room, &mut self.session, text, now);
        if !self.known && self.session.login(now.wall).is_ok() {
            self.known = true;
            self.beat.logged_in();
            self.seat.known();
        }
        match turn.outcome {
            Outcome::Now(answer) => self.answer(ws, &turn.reply, &answer).await,
            Outcome::Later(work) => {
                let reply = turn.reply;
                running.push(Box::pin(async move { (reply, work.await) }));
                Ok(())
            }
        }
    }

    async fn answer<S: Wire>(
        &self,
        ws: &mut Ws<S>,
        reply: &Reply,
        answer: &Answer,
    ) -> Result<(), ()> {
        match reply.render(answer, clock::now()) {
            Some(text) => self.send(ws, Message::Text(text.into())).await,
            None => Ok(()),
        }
    }

    async fn tell<S: Wire>(&mut self, ws: &mut Ws<S>, news: &News) -> Result<(), ()> {
        if self.session.login(clock::wall()).is_err() {
            return Ok(());
        }
        let wanted = &self.session.subscriptions;
        let Room { desk, reached, .. } = &self.room;
        match news.text(desk, reached, wanted, &mut self.missed) {
            Some(text) => self.send(ws, Message::Text(text)).await,
            None => Ok(()),
        }
    }

    /// Too slow for some news: how the cameras are now makes up for theirs, and the next event of a
    /// topic says how many are lost.
    async fn catch_up<S: Wire>(&mut self, ws: &mut Ws<S>, lost: u64) -> Result<(), ()> {
        if lost == 0 {
            return Ok(());
        }
        self.missed += lost;
        for camera in self.room.desk.directory.list() {
            self.tell(ws, &News::camera(&camera)).await?;
        }
        Ok(())
    }

    async fn send<S: Wire>(&self, ws: &mut Ws<S>, message: Message) -> Result<(), ()> {
        let sent = ws.send(message);
        if self.patience.is_zero() {
            return sent.await.map_err(drop);
        }
        match timeout(self.patience, sent).await {
            Ok(sent) => sent.map_err(drop),
            Err(_) => Err(()),
        }
    }
}

async fn wake(at: Option<clock::Mono>) {
    match at {
        Some(at) => tokio::time::sleep(at.since(clock::mono())).await,
        None => std::future::pending().await,
    }
}

const fn end_of(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::Close(CloseCode::Size, "the message is too long"),
        Error::Utf8(_) => End::Close(CloseCode::Invalid, "text must be UTF-8"),
        Error::Protocol(_) => End::Close(CloseCode::Protocol, "this breaks the WebSocket protocol"),
        _ => End::Gone,
    }
}

/// Sends a close frame and lets it arrive: closing while bytes of the client are unread would make
/// the kernel reset the connection and the client lose the frame.
async fn goodbye<S: Wire>(ws: &mut Ws<S>, code: CloseCode, reason: &'static str) {
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    let _ = timeout(LINGER, async {
        if ws.close(Some(frame)).await.is_err() {
            return;
        }
        let stream = ws.get_mut();
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut waste = vec![0; 16 << 10];
        while stream.read(&mut waste).await.is_ok_and(|n| n > 0) {}
    })
    .await;
}
