//! Talks to the control API: HTTP/1.1, on loopback. Questions, of which one is asked every second, share a connection
//! that is kept; what changes something has one of its own, because it must not be said twice.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;
use uuid::Uuid;

use super::{Info, Page, PathInfo, Session, SessionKind, complaint, page_path};
use crate::error::{Error, Kind, Result};
use crate::mediamtx::auth::Secret;
use crate::mediamtx::paths::PathConf;

/// What a question may take, in all.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of one answer: some 2 kB an item, a hundred items, and room.
const LONGEST: usize = 4 << 20;
/// Pages of one list; ten thousand items are no camera box.
const PAGES: usize = 100;

/// The control API. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api {
    address: SocketAddr,
    authorization: header::HeaderValue,
    kept: Kept,
}

/// The connection of the last question, unless a question has it.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Option<Line>>>);

/// A connection. It rests while nobody asks: there is nothing to read from it then but its end.
struct Line {
    sender: http1::SendRequest<Full<Bytes>>,
    connection: Pin<Box<http1::Connection<TokioIo<TcpStream>, Full<Bytes>>>>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

impl Kept {
    fn take(&self) -> Option<Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, line: Line) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
    }
}

impl Line {
    async fn new(stream: TcpStream) -> hyper::Result<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = Box::pin(connection);
        Ok(Self { sender, connection })
    }
}

impl Api {
    /// The API at `address`, used under the service's own name.
    #[must_use]
    pub fn new(address: SocketAddr, secret: &Secret) -> Self {
        // Base64 is always a valid header value.
        let mut authorization = header::HeaderValue::try_from(secret.basic())
            .unwrap_or(header::HeaderValue::from_static(""));
        authorization.set_sensitive(true);
        Self {
            address,
            authorization,
            kept: Kept::default(),
        }
    }

    /// What version answers.
    pub async fn info(&self) -> Result<Info> {
        self.get("/v3/info").await
    }

    /// All paths that exist now.
    pub async fn paths(&self) -> Result<Vec<PathInfo>> {
        self.list("paths").await
    }

    /// All entries for paths, patterns among them.
    pub async fn path_configs(&self) -> Result<Vec<PathConf>> {
        self.list("config/paths").await
    }

    /// Adds the entry of one path, or makes an existing one exactly this. The error may repeat what is in `body`.
    pub async fn put_path_config(&self, name: &str, body: &Value) -> Result<()> {
        let path = format!("/v3/config/paths/replace/{name}");
        match self.ask(Method::POST, &path, Some(body)).await? {
            (status, _) if status.is_success() => Ok(()),
            (status, body) => Err(self.refused(&path, status, &body)),
        }
    }

    /// Removes the entry of one path. One that is not there is as good as removed.
    pub async fn delete_path_config(&self, name: &str) -> Result<()> {
        let path = format!("/v3/config/paths/delete/{name}");
        match self.ask(Method::DELETE, &path, None).await? {
            (status, _) if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
            (status, body) => Err(self.refused(&path, status, &body)),
        }
    }

    /// All sessions of one kind.
    pub async fn sessions(&self, kind: SessionKind) -> Result<Vec<Session>> {
        self.list(kind.as_str()).await
    }

    /// Ends a session. One that has already gone is as good as kicked.
    pub async fn kick(&self, kind: SessionKind, id: Uuid) -> Result<()> {
        let path = format!("/v3/{}/kick/{id}", kind.as_str());
        match self.ask(Method::POST, &path, None).await? {
            (status, _) if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
            (status, body) => Err(self.refused(&path, status, &body)),
        }
    }

    async fn list<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<T>> {
        let mut all = Vec::new();
        for number in 0..PAGES {
            let page: Page<T> = self.get(&page_path(kind, number)).await?;
            all.extend(page.items);
            if number + 1 >= page.page_count {
                break;
            }
        }
        Ok(all)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let (status, body) = self.ask(Method::GET, path, None).await?;
        if !status.is_success() {
            return Err(self.refused(path, status, &body));
        }
        serde_json::from_slice(&body).map_err(|e| {
            Error::new(
                Kind::Internal,
                format!("MediaMTX answered {path} in a way we do not understand"),
            )
            .because(e)
            .action("use the MediaMTX version that this camera-service was tested with")
        })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes)> {
        let failed = |what: &str| {
            Error::new(
                Kind::Gone,
                format!("MediaMTX's control API at {} {what}", self.address),
            )
        };
        let asked = async {
            // MediaMTX may have ended it meanwhile, or itself. Then the question is asked once more.
            if method == Method::GET
                && let Some(line) = self.kept.take()
                && let Ok(answer) = self.exchange(line, &method, path, body).await
            {
                return Ok(answer);
            }
            let stream = TcpStream::connect(self.address).await.map_err(|e| {
                failed("does not take connections")
                    .because(e)
                    .action("see in the log why MediaMTX is not running")
            })?;
            let broke = |e: Box<dyn std::error::Error + Send + Sync>| {
                failed("broke off")
                    .because(e)
                    .action("ask again; see its log if it stays")
            };
            let line = Line::new(stream).await.map_err(|e| broke(e.into()))?;
            let answer = self.exchange(line, &method, path, body).await;
            answer.map_err(broke)
        };
        tokio::time::timeout(PATIENCE, asked)
            .await
            .unwrap_or_else(|_| {
                let what = format!("did not answer {path} within {} s", PATIENCE.as_secs());
                Err(failed(&what).action("restart MediaMTX if it stays; see its log"))
            })
    }

    /// Asks on `line`, and keeps it after a question.
    async fn exchange(
        &self,
        line: Line,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let Line {
            mut sender,
            connection,
        } = line;
        let keep = method == Method::GET;
        let body = body.map_or_else(Bytes::new, |b| Bytes::from(b.to_string()));
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::AUTHORIZATION, &self.authorization);
        if !keep {
            request = request.header(header::CONNECTION, "close");
        }
        let request = request.body(Full::new(body))?;
        let answer = async {
            sender.ready().await?;
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LONGEST)
                .collect()
                .await?;
            Ok((status, body.to_bytes()))
        };
        // Driven here and not in a task of its own, so that giving up leaves nothing behind: who gives up drops the
        // connection, too.
        let mut connection = Some(connection);
        let answer = {
            tokio::pin!(answer);
            loop {
                let end = async {
                    match &mut connection {
                        Some(connection) => connection.await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    got = &mut answer => break got,
                    end = end => {
                        end?;
                        // One that was closed while it rested ends well, and does not tell the question, which would wait for ever:
                        // it is told when the connection is dropped.
                        connection = None;
                    }
                }
            }
        };
        if let Some(connection) = connection.filter(|_| keep && answer.is_ok()) {
            self.kept.put(Line { sender, connection });
        }
        answer
    }

    fn refused(&self, path: &str, status: StatusCode, body: &[u8]) -> Error {
        let error = Error::new(
            Kind::Refused,
            format!(
                "MediaMTX at {} refused {path} with {status}: {}",
                self.address,
                complaint(body)
            ),
        );
        if status == StatusCode::UNAUTHORIZED {
            return error.action(
                "check that another MediaMTX does not hold this port, and that ours reads the configuration we write",
            );
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;

    #[test]
    fn the_secret_is_not_shown_with_the_client() {
        let api = Api::new(
            "127.0.0.1:1".parse().unwrap(),
            &Secret::new("geheim".to_owned()),
        );
        assert!(!format!("{api:?}").contains(&BASE64.encode(b"camera-service:geheim")));
    }

    #[tokio::test]
    async fn nobody_listening_is_said_with_the_address_and_a_next_action() {
        // A port that was free a moment ago, bound by nobody.
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let error = Api::new(free, &Secret::new("x".to_owned()))
            .paths()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Gone);
        assert!(error.to_string().contains(&free.to_string()), "{error}");
        assert!(error.next_action().is_some());
    }

    /// Answers like MediaMTX and counts connections; each ends after so many answers.
    async fn server(answers: usize) -> (SocketAddr, Arc<std::sync::atomic::AtomicUsize>) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut asked = [0; 4096];
                    for _ in 0..answers {
                        // A question is one packet on loopback.
                        if stream.read(&mut asked).await.unwrap_or(0) == 0 {
                            return;
                        }
                        let body = r#"{"version":"v1.20.1","pageCount":1,"items":[]}"#;
                        let head =
                            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                        let _ = stream.write_all((head + body).as_bytes()).await;
                    }
                });
            }
        });
        (address, connections)
    }

    #[tokio::test]
    async fn questions_share_a_connection_and_one_that_mediamtx_has_ended_is_no_failure() {
        use std::sync::atomic::Ordering::SeqCst;
        let secret = Secret::new("x".to_owned());
        let (address, connections) = server(usize::MAX).await;
        let api = Api::new(address, &secret);
        for _ in 0..5 {
            api.info().await.unwrap();
            api.clone().paths().await.unwrap();
        }
        assert_eq!(connections.load(SeqCst), 1);
        let (address, connections) = server(2).await;
        let api = Api::new(address, &secret);
        for _ in 0..6 {
            api.info().await.unwrap();
        }
        assert_eq!(connections.load(SeqCst), 3);
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_while_it_rested_costs_no_question_its_answer() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = Api::new(listener.local_addr().unwrap(), &Secret::new("x".to_owned()));
        for _ in 0..3 {
            let asking = api.clone();
            let question = tokio::spawn(async move { asking.info().await });
            let accepted = tokio::time::timeout(PATIENCE, listener.accept()).await;
            let (mut stream, _) = accepted.expect("a new connection").unwrap();
            let mut asked = [0; 4096];
            assert!(stream.read(&mut asked).await.unwrap() > 0);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{\"version\":\"v1.20.1\"}";
            stream.write_all(answer).await.unwrap();
            question.await.unwrap().unwrap();
            // As MediaMTX does that was killed, or that had not been asked for long.
            drop(stream);
            // Only a runtime that has rested has been told of it; one that has not finds it out by writing.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn questions_at_once_do_not_wait_for_each_other_and_orders_have_their_own_connection() {
        use std::sync::atomic::Ordering::SeqCst;
        let (address, connections) = server(usize::MAX).await;
        let api = Api::new(address, &Secret::new("x".to_owned()));
        let (one, other) = tokio::join!(api.info(), api.info());
        one.and(other).unwrap();
        assert_eq!(connections.load(SeqCst), 2);
        api.kick(SessionKind::Rtsp, Uuid::new_v4()).await.unwrap();
        assert_eq!(connections.load(SeqCst), 3);
        api.info().await.unwrap();
        assert_eq!(connections.load(SeqCst), 3);
    }

    #[tokio::test]
    async fn an_answer_that_was_given_up_is_not_taken_for_that_of_the_next_question() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = Api::new(listener.local_addr().unwrap(), &Secret::new("x".to_owned()));
        let mut answers = (1..).map(|number| {
            let body = format!(r#"{{"version":"{number}"}}"#);
            format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        });
        let asking = api.clone();
        let first = tokio::spawn(async move { asking.info().await });
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 4096];
        assert!(stream.read(&mut asked).await.unwrap() > 0);
        stream
            .write_all(answers.next().unwrap().as_bytes())
            .await
            .unwrap();
        assert_eq!(first.await.unwrap().unwrap().version, "1");
        // The second question is given up before its answer comes.
        let asking = api.clone();
        let second = tokio::spawn(async move { asking.info().await });
        assert!(stream.read(&mut asked).await.unwrap() > 0);
        second.abort();
        assert!(second.await.unwrap_err().is_cancelled());
        let _ = stream.write_all(answers.next().unwrap().as_bytes()).await;
        let third = tokio::spawn(async move { api.info().await });
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut asked).await.unwrap() > 0);
        stream
            .write_all(answers.next().unwrap().as_bytes())
            .await
            .unwrap();
        assert_eq!(third.await.unwrap().unwrap().version, "3");
    }
}
