//! Talks to the control API: one connection per question, HTTP/1.1, on loopback.

use std::net::SocketAddr;
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
            let stream = TcpStream::connect(self.address).await.map_err(|e| {
                failed("does not take connections")
                    .because(e)
                    .action("see in the log why MediaMTX is not running")
            })?;
            self.exchange(stream, method, path, body)
                .await
                .map_err(|e| {
                    failed("broke off")
                        .because(e)
                        .action("ask again; see its log if it stays")
                })
        };
        tokio::time::timeout(PATIENCE, asked)
            .await
            .unwrap_or_else(|_| {
                let what = format!("did not answer {path} within {} s", PATIENCE.as_secs());
                Err(failed(&what).action("restart MediaMTX if it stays; see its log"))
            })
    }

    async fn exchange(
        &self,
        stream: TcpStream,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let body = body.map_or_else(Bytes::new, |b| Bytes::from(b.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::CONNECTION, "close")
            .body(Full::new(body))?;
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LONGEST)
                .collect()
                .await?;
            Ok((status, body.to_bytes()))
        };
        // Driven here and not in a task of its own, so that giving up leaves nothing behind.
        tokio::pin!(connection, answer);
        let mut open = true;
        loop {
            tokio::select! {
                got = &mut answer => return got,
                end = &mut connection, if open => {
                    end?;
                    open = false;
                }
            }
        }
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
}
