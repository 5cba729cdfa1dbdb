//! Carries `object_store`'s requests by the HTTP and TLS that the service has anyway, and holds them to the rate.
//!
//! One connection, kept from one request to the next. A body goes in pieces, each when the bucket lets it; where nothing
//! moves for a minute, the request fails.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::clock::{self, Mono};
use crate::offsite::bucket::Bucket;
use crate::offsite::cause::{Seen, code};

/// Until there is a connection.
const CONNECT: Duration = Duration::from_secs(15);
/// Nothing was sent and nothing came for so long.
const SILENT: Duration = Duration::from_secs(60);
/// A connection that was not used for so long may be dead.
const IDLE: Duration = Duration::from_secs(10);
/// Bytes of an answer at most; answers are some hundred bytes.
const ANSWER: usize = 1 << 20;

/// The way to one store.
pub(in crate::offsite) struct Wire {
    host: String,
    port: u16,
    tls: Option<(ServerName<'static>, TlsConnector)>,
    pace: Mutex<Bucket>,
    /// Bytes of bodies that went, of all ways since the start.
    sent: Arc<AtomicU64>,
    /// When something moved last.
    moved: AtomicU64,
    idle: Mutex<Option<(SendRequest<Paced>, Mono)>>,
    /// The last failure.
    last: Mutex<Option<Seen>>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("host", &self.host).finish()
    }
}

/// What is behind the locks here is whole whoever panicked.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wire {
    /// The way to `address`, at `rate` bytes a second. Reads the authorities' file where there is TLS: may wait for the disk.
    ///
    /// # Errors
    /// [`Seen::Authorities`], or [`Seen::NoConnection`] for an address that is none.
    pub(in crate::offsite) fn new(
        address: &str,
        authorities: &Path,
        rate: Option<u64>,
        sent: Arc<AtomicU64>,
    ) -> Result<Self, Seen> {
        let none = || Seen::NoConnection(format!("{address} is no address of a store"));
        let uri: Uri = address.parse().map_err(|_| none())?;
        let host = uri.host().ok_or_else(none)?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let is_tls = uri.scheme_str() == Some("https");
        let tls = match is_tls {
            true => {
                let name = ServerName::try_from(host.clone()).map_err(|_| none())?;
                Some((name, connector(authorities)?))
            }
            false => None,
        };
        Ok(Self {
            port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            host,
            tls,
            pace: Mutex::new(Bucket::new(rate)),
            sent,
            moved: AtomicU64::new(clock::mono().as_nanos()),
            idle: Mutex::default(),
            last: Mutex::default(),
        })
    }

    /// What failed last, once.
    pub(in crate::offsite) fn take_failure(&self) -> Option<Seen> {
        held(&self.last).take()
    }

    fn stir(&self) {
        let now = clock::mono().as_nanos();
        self.moved.store(now, Ordering::Relaxed);
    }

    fn is_silent(&self) -> bool {
        let moved = Mono::from_nanos(self.moved.load(Ordering::Relaxed));
        clock::mono().since(moved) >= SILENT
    }

    async fn pass(self: Arc<Self>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.stir();
        let mut work = std::pin::pin!(self.ask(request));
        let answered = loop {
            tokio::select! {
                answered = &mut work => break answered,
                () = sleep(Duration::from_secs(1)) => if self.is_silent() {
                    break Err(Seen::Silent);
                },
            }
        };
        answered.map_err(|seen| {
            let told = HttpError::new(HttpErrorKind::Unknown, Failed(format!("{seen:?}")));
            *held(&self.last) = Some(seen);
            told
        })
    }

    async fn ask(self: &Arc<Self>, request: HttpRequest) -> Result<HttpResponse, Seen> {
        let broken = |e: hyper::Error| Seen::Broken(chain(&e));
        let (mut head, body) = request.into_parts();
        let host = head.uri.authority().map(ToString::to_string);
        if let Some(host) = host.and_then(|host| HeaderValue::from_str(&host).ok()) {
            head.headers.entry(HOST).or_insert(host);
        }
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = path
            .parse()
            .map_err(|_| Seen::Odd("a path is none".to_owned()))?;
        let is_get = head.method == Method::GET;
        let body = Paced {
            inner: body,
            wire: Arc::clone(self),
            next: None,
            sleep: None,
        };
        let mut sender = self.sender().await?;
        let answer = sender
            .send_request(Request::from_parts(head, body))
            .await
            .map_err(broken)?;
        self.stir();
        let (head, body) = answer.into_parts();
        // What lies in the store is never wanted: a GET asks only why a HEAD was refused.
        if is_get && head.status.is_success() {
            return Ok(HttpResponse::from_parts(head, Vec::new().into()));
        }
        let body = Limited::new(body, ANSWER)
            .collect()
            .await
            .map_err(|e| Seen::Broken(e.to_string()))?
            .to_bytes();
        *held(&self.idle) = Some((sender, clock::mono()));
        if !head.status.is_success() {
            *held(&self.last) = Some(Seen::Answer {
                status: head.status.as_u16(),
                code: code(&String::from_utf8_lossy(&body)),
            });
        }
        Ok(HttpResponse::from_parts(head, HttpResponseBody::from(body)))
    }

    /// The connection of the last request if it is good still, else a new one.
    async fn sender(&self) -> Result<SendRequest<Paced>, Seen> {
        let kept = held(&self.idle).take();
        if let Some((sender, since)) = kept
            && clock::mono().since(since) < IDLE
            && sender.is_ready()
        {
            return Ok(sender);
        }
        let connect = async {
            let tcp = TcpStream::connect((self.host.as_str(), self.port))
                .await
                .map_err(|e| Seen::NoConnection(format!("{}: {e}", self.host)))?;
            let _ = tcp.set_nodelay(true);
            match &self.tls {
                None => shake(tcp).await,
                Some((name, tls)) => {
                    let secure = tls.connect(name.clone(), tcp).await;
                    shake(secure.map_err(|e| Seen::Tls(e.to_string()))?).await
                }
            }
        };
        let late = |_| Seen::NoConnection(format!("{}: no answer", self.host));
        timeout(CONNECT, connect).await.map_err(late)?
    }
}

async fn shake(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Paced>, Seen> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| Seen::Broken(chain(&e)))?;
    // It ends with its sender; what goes wrong with it, the request tells.
    tokio::spawn(connection);
    Ok(sender)
}

/// TLS by ring, with the authorities of a PEM file.
fn connector(authorities: &Path) -> Result<TlsConnector, Seen> {
    let file = authorities.display();
    let cannot =
        |why: String| Seen::Authorities(format!("the authorities in {file} cannot be used: {why}"));
    let mut roots = RootCertStore::empty();
    let all = CertificateDer::pem_file_iter(authorities).map_err(|e| cannot(e.to_string()))?;
    for one in all {
        // One that is odd is of no use; the others are.
        let _ = roots.add(one.map_err(|e| cannot(e.to_string()))?);
    }
    if roots.is_empty() {
        return Err(cannot("there is none".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| cannot(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// An error with what is beneath it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut beneath = error.source();
    while let Some(error) = beneath {
        text = format!("{text}: {error}");
        beneath = error.source();
    }
    text
}

#[derive(Debug)]
struct Failed(String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

/// A body that goes as fast as it may.
pub(in crate::offsite) struct Paced {
    inner: HttpRequestBody,
    wire: Arc<Wire>,
    next: Option<Bytes>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Body for Paced {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        if this.next.is_none() {
            match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => this.next = frame.into_data().ok(),
            }
        }
        loop {
            if let Some(rest) = &mut this.sleep {
                ready!(rest.as_mut().poll(cx));
                this.sleep = None;
            }
            // Who waits for its turn is not silent.
            this.wire.stir();
            let mut pace = held(&this.wire.pace);
            let now = clock::mono();
            let wait = pace.wait(now);
            if wait.is_zero() {
                let piece = this.next.take().unwrap_or_default();
                let bytes = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                pace.take(bytes, now);
                this.wire.sent.fetch_add(bytes, Ordering::Relaxed);
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            drop(pace);
            this.sleep = Some(Box::pin(sleep(wait)));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let next = self.next.as_ref().map_or(0, Bytes::len);
        let next = u64::try_from(next).unwrap_or(u64::MAX);
        let inner = self.inner.size_hint().exact().unwrap_or(0);
        SizeHint::with_exact(inner.saturating_add(next))
    }
}

/// [`Wire`] as `object_store` has it.
#[derive(Debug, Clone)]
pub(in crate::offsite) struct Plug(pub(in crate::offsite) Arc<Wire>);

impl HttpConnector for Plug {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl HttpService for Plug {
    fn call<'own, 'work>(
        &'own self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'work>>
    where
        'own: 'work,
        Self: 'work,
    {
        Box::pin(Arc::clone(&self.0).pass(request))
    }
}
