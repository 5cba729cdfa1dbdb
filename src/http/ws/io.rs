//! One task per WebSocket: reads messages, runs them through [`crate::rpc`], sends what comes out.
//!
//! The task owns the whole socket. Requests that take time run beside the reading, a bounded number at once;
//! beyond it nothing is read, and TCP holds the client back. So it does after refusals of what comes too often
//! ([`super::pace`]), and while something of ours is on its way out: answers never queue. Events do: in one ring
//! shared by all sockets, and once taken from there in a bounded queue of the client's own ([`super::outbox`]),
//! whose oldest go first; the client is told how many. Who takes nothing for too long is cut.
//!
//! What the client has waiting here is told to its seat ([`crate::http::seats::memory`] says what counts), and
//! the seat may say to forget the events, or to leave. Buffers that a large message made grow are given back
//! ([`super::frames`]).

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::coop::has_budget_remaining;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::beat::{Beat, Due};
use super::feed::io::{Ear, Feed, hear};
use super::frames;
use super::goodbye::reason;
use super::news::News;
use super::outbox::{Next, Outbox};
use super::pace::{Further, Pace};
use super::upgrade::io::{Upgrade, over};
use super::wire::io::{Counted, Io, Wire, Ws, poll_step};
use crate::clock::{self, Mono};
use crate::http::io::Shared;
use crate::http::seats::io::{Seat, Told};
use crate::http::seats::memory::{GRAIN, Held};
use crate::rpc::dispatch::{Reply, Room, accept};
use crate::rpc::notify;
use crate::rpc::session::Session;
use crate::rpc::table::{Answer, Outcome};
use crate::system::Connected;
use crate::system::doors::{Closed, Doors};

/// How long a close frame may take to be read by a client that still sends.
const LINGER: Duration = Duration::from_secs(2);
/// So many messages a client may have waiting here are taken in a row; then it is the turn of all other clients.
const IN_A_ROW: u32 = 2;

/// What is under way: where the answer goes, the answer, and the length of the request.
type Running = FuturesUnordered<Pin<Box<dyn Future<Output = (Reply, Answer, usize)> + Send>>>;

/// How a conversation ends.
enum End {
    /// The other side has gone, or takes nothing any more.
    Gone,
    /// We say goodbye.
    Close(CloseCode, &'static str),
    /// We say goodbye, and free everything first.
    Shed,
}

/// What a conversation goes on with.
enum Woken {
    Io(Io),
    Told(Told),
    /// A request is answered; where to, and how long it was.
    Done((Reply, Answer, usize)),
    Heard(Option<(Arc<News>, u64)>, Ear),
    Alarm,
    /// The client has had its turn.
    Enough,
}

/// Makes a socket of an upgraded connection; `S` is what the connection was served on. [`Talk::converse`] runs it.
///
/// What lives as long as the socket is boxed, and what is rare is boxed when it comes: a future holds its
/// arguments and its locals, so each thing in it would count twice in every idle socket.
pub(in crate::http) async fn begin<S: Wire>(
    upgrade: Upgrade,
    shared: Arc<Shared>,
    seat: Arc<Seat>,
) -> Option<(Box<Talk>, Box<Ws<S>>, Ear)> {
    let news = shared.feed.listen();
    let upgraded = upgrade.stream.await.ok()?;
    let parts = upgraded.downcast::<TokioIo<S>>().ok()?;
    let limits = &shared.services.limits();
    let stream = parts.io.into_inner();
    let early = parts.read_buf.to_vec();
    // Empty or not, it keeps hyper's 8 KiB alive.
    drop(parts.read_buf);
    let longest = limits.message_bytes;
    let ws = over(Counted::new(stream, &early), early, longest).await;
    let room = Room {
        methods: shared.services.methods,
        desk: Arc::clone(&shared.services.desk),
        reached: upgrade.reached,
        from: upgrade.from,
    };
    let talk = Talk {
        beat: Beat::new(limits, clock::mono()),
        pace: Pace::new(limits),
        session: Session::new(uuid::Uuid::new_v4().to_string()),
        patience: limits.write_within,
        in_flight: limits.in_flight,
        longest,
        known: false,
        _connected: shared.services.desk.system.connected(),
        outbox: Outbox::new(limits.events),
        running: None,
        running_bytes: 0,
        sending: None,
        sending_bytes: 0,
        renew: false,
        ending: None,
        closed: false,
        told: Held::default(),
        room,
        feed: Arc::clone(&shared.feed),
        seat,
    };
    Some((Box::new(talk), ws, news))
}

/// A conversation on a socket.
pub(in crate::http) struct Talk {
    room: Room,
    feed: Arc<Feed>,
    session: Session,
    beat: Beat,
    pace: Pace,
    seat: Arc<Seat>,
    known: bool,
    /// Counts it among the open ones.
    _connected: Connected,
    patience: Duration,
    in_flight: usize,
    longest: usize,
    /// Messages made already; where many sockets send the same one, they share its text.
    outbox: Outbox<Utf8Bytes>,
    /// Absent while nothing is under way: an idle socket pays nothing for it.
    running: Option<Box<Running>>,
    running_bytes: usize,
    /// Something is on its way out, and since when.
    sending: Option<Mono>,
    /// How much it is.
    sending_bytes: usize,
    /// Make the buffers new once everything has left.
    renew: bool,
    /// Say goodbye once everything has left.
    ending: Option<(CloseCode, &'static str)>,
    /// They said goodbye: nothing may follow (RFC 6455 §5.5.1).
    closed: bool,
    /// What the seat knows.
    told: Held,
}

impl Talk {
    /// Runs the socket to its end.
    #[expect(clippy::manual_async_fn, reason = "it would keep each argument twice")]
    pub(in crate::http) fn converse<S: Wire>(
        mut self: Box<Self>,
        mut ws: Box<Ws<S>>,
        news: Ear,
    ) -> impl Future<Output = ()> + Send {
        async move {
            // Whom else to listen to: asked once, and again only when there is something. Whoever was asked wakes this task,
            // and to ask anew at every message takes locks that all sockets share.
            let seat = Arc::clone(&self.seat);
            let mut told = pin!(seat.told());
            let mut hearing = pin!(hear(news));
            // The alarm may ring too early and then is set anew, but never too late: each message puts deadlines off,
            // and the timer need not know.
            let mut alarm = pin!(sleep(Duration::ZERO));
            let mut rings: Option<Mono> = None;
            let (mut in_a_row, mut asked, mut heard) = (0, false, 0);
            let end = loop {
                if self.sending.is_none() {
                    if let Some((code, reason)) = self.ending {
                        break End::Close(code, reason);
                    }
                    if self.renew {
                        ws = Box::pin(self.renewed(ws)).await;
                    }
                    if let Some(next) = self.outbox.take() {
                        if self.tell(&mut ws, next).is_err() {
                            break End::Gone;
                        }
                        // It may have left already, and another may wait.
                        continue;
                    }
                }
                self.account(&ws);
                let unfinished = ws.get_ref().unfinished();
                let running = self.running.as_ref().map_or(0, |r| r.len());
                let idle = self.sending.is_none();
                let may_read = idle
                    && !self.pace.is_held()
                    && (self.in_flight == 0 || running < self.in_flight);
                if let Some(at) = self.wake_at()
                    && rings.is_none_or(|rings| at < rings)
                {
                    rings = Some(at);
                    let after = at.since(clock::mono());
                    alarm.as_mut().reset(Instant::now() + after);
                }
                let woken = poll_fn(|context| {
                    if in_a_row < IN_A_ROW {
                        let io = poll_step(&mut ws, context, !idle, may_read, unfinished);
                        if let Poll::Ready(io) = io {
                            in_a_row += 1;
                            return Poll::Ready(Woken::Io(io));
                        }
                    }
                    if (!asked || seat.is_told())
                        && let Poll::Ready(order) = told.as_mut().poll(context)
                    {
                        asked = false;
                        return Poll::Ready(Woken::Told(order));
                    }
                    if idle && let Poll::Ready(done) = poll_done(&mut self.running, context) {
                        return Poll::Ready(Woken::Done(done));
                    }
                    let last = self.feed.last();
                    if !asked || last != heard {
                        heard = last;
                        if let Poll::Ready((news, ear)) = hearing.as_mut().poll(context) {
                            asked = false;
                            return Poll::Ready(Woken::Heard(news, ear));
                        }
                    }
                    // Without budget they may have refused to look, and are asked anew at once.
                    asked = has_budget_remaining();
                    if rings.is_some() && alarm.as_mut().poll(context).is_ready() {
                        return Poll::Ready(Woken::Alarm);
                    }
                    if std::mem::take(&mut in_a_row) >= IN_A_ROW {
                        return Poll::Ready(Woken::Enough);
                    }
                    Poll::Pending
                });
                let went = match woken.await {
                    Woken::Io(io) => self.happened(&mut ws, io),
                    Woken::Told(Told::Leave) => Err(End::Shed),
                    Woken::Told(Told::Stop) => {
                        Err(End::Close(CloseCode::Away, "the service stops"))
                    }
                    Woken::Told(Told::DropEvents) => {
                        told.set(seat.told());
                        self.outbox.clear();
                        Ok(())
                    }
                    Woken::Done((reply, answer, bytes)) => {
                        self.running_bytes -= bytes;
                        // Reading may have been held back, and so the pongs.
                        self.beat.heard(clock::mono());
                        self.answer(&mut ws, &reply, &answer)
                    }
                    Woken::Heard(Some((news, lost)), ear) => {
                        hearing.set(hear(ear));
                        if self.known {
                            self.outbox.lost(lost);
                        }
                        self.queue(&news);
                        Ok(())
                    }
                    Woken::Heard(None, _) => Err(End::Gone),
                    Woken::Alarm => {
                        rings = None;
                        self.due(&mut ws, may_read)
                    }
                    Woken::Enough => {
                        tokio::task::yield_now().await;
                        Ok(())
                    }
                };
                if let Err(end) = went {
                    break end;
                }
            };
            Box::pin(self.part(*ws, end)).await;
        }
    }

    /// What the socket did.
    fn happened<S: Wire>(&mut self, ws: &mut Ws<S>, io: Io) -> Result<(), End> {
        match io {
            Io::Flushed => {
                self.left();
                Ok(())
            }
            // Not a sign of life: a message must be whole before the socket counts as dead.
            Io::Grew => Ok(()),
            Io::Came(message) => {
                self.beat.heard(clock::mono());
                self.came(ws, message)
            }
            Io::Failed(error) => Err(end_of(&error)),
        }
    }

    /// What the clock asks for.
    fn due<S: Wire>(&mut self, ws: &mut Ws<S>, may_read: bool) -> Result<(), End> {
        let now = clock::mono();
        self.pace.due(now);
        if self.cut_at().is_some_and(|at| now >= at) {
            self.doors().closed.count(Closed::Slow);
            return Err(End::Gone);
        }
        match self.beat.due(now) {
            // While something else is on its way out, that is what shows whether somebody is there.
            Some(Due::Ping) if self.sending.is_none() => self.send(ws, frames::PING.to_vec()),
            None | Some(Due::Ping) => Ok(()),
            // Nothing could be heard while nothing was read.
            Some(Due::Dead) if !may_read => {
                self.beat.heard(now);
                Ok(())
            }
            Some(Due::Dead) => {
                self.doors().closed.count(Closed::Silent);
                Err(End::Gone)
            }
            Some(Due::LoginOverdue) => {
                self.doors().closed.count(Closed::NoLogin);
                Err(End::Close(CloseCode::Policy, "nobody logged in in time"))
            }
        }
    }

    fn came<S: Wire>(&mut self, ws: &mut Ws<S>, message: Message) -> Result<(), End> {
        match message {
            Message::Text(text) => {
                ws.get_mut().taken();
                self.take(ws, &text)?;
            }
            Message::Binary(_) => {
                return Err(End::Close(CloseCode::Unsupported, "send text, not binary"));
            }
            // Its pong is on its way out: who does not take it is not asked for more pings.
            Message::Ping(_) => {
                ws.get_mut().taken();
                self.sending.get_or_insert(clock::mono());
                return Ok(());
            }
            Message::Pong(_) => ws.get_mut().taken(),
            // The library answers a goodbye, and ends.
            Message::Close(_) | Message::Frame(_) => {
                self.closed = true;
                return Ok(());
            }
        }
        if ws.get_ref().can_renew() {
            self.renew = true;
            // First everything must have left, a pong of the library's own, too.
            self.sending.get_or_insert(clock::mono());
        }
        Ok(())
    }

    fn take<S: Wire>(&mut self, ws: &mut Ws<S>, text: &str) -> Result<(), End> {
        let now = clock::now();
        let turn = accept(&self.room, &mut self.session, text, now);
        if !self.known && self.session.login(now.wall).is_ok() {
            self.known = true;
            self.beat.logged_in();
            self.seat.known();
            // A token is the longest message that most clients ever send.
            ws.get_mut().grown();
        }
        if turn.beyond && self.pace.refused(now.mono) == Further::Close && self.ending.is_none() {
            self.doors().closed.count(Closed::Flood);
            self.ending = Some((CloseCode::Policy, "far too many requests"));
        }
        match turn.outcome {
            Outcome::Now(answer) => self.answer(ws, &turn.reply, &answer),
            Outcome::Later(work) => {
                let (reply, bytes) = (turn.reply, text.len());
                self.running_bytes += bytes;
                self.running
                    .get_or_insert_default()
                    .push(Box::pin(async move { (reply, work.await, bytes) }));
                Ok(())
            }
        }
    }

    fn answer<S: Wire>(
        &mut self,
        ws: &mut Ws<S>,
        reply: &Reply,
        answer: &Answer,
    ) -> Result<(), End> {
        match reply.render(answer, clock::now()) {
            Some(text) => self.text(ws, &text),
            None => Ok(()),
        }
    }

    /// Keeps an event for when there is room.
    fn queue(&mut self, news: &News) {
        if self.session.login(clock::wall()).is_err() {
            return;
        }
        let Room { desk, reached, .. } = &self.room;
        if let Some(text) = news.text(desk, reached, &self.session.subscriptions) {
            let bytes = text.len();
            self.outbox.push(text, bytes);
        }
    }

    fn tell<S: Wire>(&mut self, ws: &mut Ws<S>, next: Next<Utf8Bytes>) -> Result<(), End> {
        // Somebody whose rights have ended meanwhile hears nothing more.
        if self.session.login(clock::wall()).is_err() {
            return Ok(());
        }
        match next {
            Next::Lost(count) => {
                self.doors().events_dropped.fetch_add(count, Relaxed);
                self.text(ws, &notify::events_dropped(count))
            }
            Next::Event(text) => self.text(ws, &text),
        }
    }

    fn text<S: Wire>(&mut self, ws: &mut Ws<S>, text: &str) -> Result<(), End> {
        self.send(ws, frames::text(text))
    }

    /// Hands a frame to the socket. Mostly the kernel takes all of it at once; else [`poll_step`] sees it off.
    fn send<S: Wire>(&mut self, ws: &mut Ws<S>, frame: Vec<u8>) -> Result<(), End> {
        if self.closed {
            return Ok(());
        }
        self.sending_bytes = frame.len();
        match ws.get_mut().send(frame) {
            Ok(true) => self.left(),
            Ok(false) => self.sending = Some(clock::mono()),
            Err(_) => return Err(End::Gone),
        }
        Ok(())
    }

    /// Everything of ours has left.
    const fn left(&mut self) {
        self.sending = None;
        self.sending_bytes = 0;
    }

    /// A socket with new buffers over the same stream.
    async fn renewed<S: Wire>(&mut self, ws: Box<Ws<S>>) -> Box<Ws<S>> {
        self.renew = false;
        // Nothing was read since, for nothing is read while something is on its way out; but let it be sure.
        if !ws.get_ref().can_renew() {
            return ws;
        }
        let mut stream = ws.into_inner();
        stream.renewed();
        over(stream, Vec::new(), self.longest).await
    }

    /// Tells the seat what the client has waiting, when that is another figure than it knows.
    fn account<S: Wire>(&mut self, ws: &Ws<S>) {
        let events = self.outbox.bytes();
        let bytes = ws.get_ref().unfinished() + self.running_bytes + self.sending_bytes + events;
        let held = if bytes < GRAIN {
            Held::default()
        } else {
            Held { bytes, events }
        };
        if held.bytes.abs_diff(self.told.bytes) >= GRAIN
            || (held.events == 0) != (self.told.events == 0)
        {
            self.told = held;
            self.seat.holds(held);
        }
    }

    fn doors(&self) -> &Doors {
        &self.room.desk.system.doors
    }

    /// When a reader that takes nothing is cut.
    fn cut_at(&self) -> Option<Mono> {
        self.sending
            .filter(|_| !self.patience.is_zero())
            .map(|since| since + self.patience)
    }

    fn wake_at(&self) -> Option<Mono> {
        [
            self.cut_at(),
            self.beat.poll_timeout(),
            self.pace.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Ends the socket. What it held is freed before the goodbye where that is why it must go.
    async fn part<S: Wire>(mut self: Box<Self>, mut ws: Ws<S>, end: End) {
        let why = match end {
            End::Shed => Some(Closed::Memory),
            End::Close(code, _) => reason(code),
            End::Gone => None,
        };
        if let Some(why) = why {
            self.doors().closed.count(why);
        }
        match end {
            End::Gone => {}
            End::Close(code, reason) => {
                let frame = CloseFrame {
                    code,
                    reason: reason.into(),
                };
                let said = timeout(LINGER, ws.close(Some(frame))).await;
                if matches!(said, Ok(Ok(()))) {
                    let seat = self.seat;
                    linger(ws.into_inner().into_inner(), &seat).await;
                }
            }
            End::Shed => {
                let half_said = self.sending.is_some();
                self.outbox.clear();
                self.running = None;
                let mut stream = ws.into_inner().into_inner();
                let seat = self.seat;
                seat.holds(Held::default());
                // In the midst of a message of ours there is no place for a word.
                if half_said {
                    return;
                }
                let frame = CloseFrame {
                    code: CloseCode::Again,
                    reason: "too much is waiting for clients; come back later".into(),
                };
                let mut bytes = Vec::new();
                if Frame::close(Some(frame)).format(&mut bytes).is_ok() {
                    let said = timeout(LINGER, stream.write_all(&bytes)).await;
                    if matches!(said, Ok(Ok(()))) {
                        linger(stream, &seat).await;
                    }
                }
            }
        }
    }
}

/// The next of what is under way that is done; never, while nothing is.
fn poll_done(
    running: &mut Option<Box<Running>>,
    context: &mut Context<'_>,
) -> Poll<(Reply, Answer, usize)> {
    let Some(all) = running else {
        return Poll::Pending;
    };
    let done = ready!(all.poll_next_unpin(context));
    if all.is_empty() {
        *running = None;
    }
    done.map_or(Poll::Pending, Poll::Ready)
}

const fn end_of(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::Close(CloseCode::Size, "the message is too long"),
        Error::Utf8(_) => End::Close(CloseCode::Invalid, "text must be UTF-8"),
        Error::Protocol(_) => End::Close(CloseCode::Protocol, "this breaks the WebSocket protocol"),
        _ => End::Gone,
    }
}

/// Lets a close frame arrive: closing while bytes of the client are unread would make the kernel reset the
/// connection and the client lose the frame. The seat is still taken meanwhile, but holds nothing.
async fn linger<S: Wire>(mut stream: S, seat: &Seat) {
    seat.holds(Held::default());
    let _ = timeout(LINGER, async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut waste = vec![0; 2 << 10];
        while stream.read(&mut waste).await.is_ok_and(|n| n > 0) {}
    })
    .await;
}
