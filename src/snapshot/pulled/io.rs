//! Asks MediaMTX's HLS server on loopback, under the service's own name.
//!
//! The server begins to cut a stream into files when the first one asks, and answers when a first segment is there: that
//! takes up to two distances of the source's key frames. It goes on for a minute, so the next snapshot comes at once.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

use super::fmp4::{Init, Unusable};
use super::{KeyPictures, Newest, Variant, resolve};
use crate::camera::remote::Coded;
use crate::clock::{self, Mono};
use crate::error::{Error, Kind, Later, Result};
use crate::mediamtx::auth::Secret;

/// Bytes of a playlist or a description at most; MediaMTX's have some 2 kB.
const LONGEST_TEXT: usize = 256 << 10;
/// Bytes of a part or segment at most: 10 s at 25 Mbit/s, and of a part much more.
const LONGEST_MEDIA: usize = 32 << 20;
/// Redirections in a row; MediaMTX sends one.
const REDIRECTIONS: usize = 3;
/// From one question to the next while there is no answer yet.
const PAUSE: Duration = Duration::from_millis(250);
/// Failures of MediaMTX in a row that may still pass: a muxer that has just ended is one.
const FAILURES: usize = 3;

/// MediaMTX's HLS server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hls {
    address: SocketAddr,
    authorization: header::HeaderValue,
}

/// Why there is no answer.
enum Trouble {
    /// Nothing is sent on this path.
    Nothing,
    /// The server did not do its work; what it said.
    Failed(Error),
}

impl Hls {
    /// The server at `address`, asked under the service's own name.
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

    async fn newest(self, name: String, patience: Duration) -> Result<Coded> {
        let until = Instant::now() + patience;
        let mut failures = 0;
        loop {
            let last = match timeout_at(until, self.look(&name)).await {
                Ok(Ok(coded)) => return coded,
                Ok(Err(Trouble::Nothing)) => {
                    failures = 0;
                    continue_or(until, || gone(&name)).await?;
                    continue;
                }
                Ok(Err(Trouble::Failed(error))) => error,
                Err(_) => return Err(late(&name, patience)),
            };
            failures += 1;
            if failures >= FAILURES || Instant::now() + PAUSE >= until {
                return Err(last);
            }
            sleep(PAUSE).await;
        }
    }

    /// Looks once. The inner error is final.
    async fn look(&self, name: &str) -> Result<Result<Coded>, Trouble> {
        // As a browser that keeps no cookies: then the session stands in every address of the playlist.
        let list = format!("/{name}/index.m3u8?cookieCheck=1");
        let (list, text) = self.get(&list, LONGEST_TEXT).await?;
        let text = String::from_utf8_lossy(&text);
        let variant = Variant::first(&text).ok_or_else(|| strange(name, "no picture is in it"))?;
        if let Some(codec) = variant.foreign_codec() {
            return Ok(Err(not_h264(name, codec)));
        }
        let follow = |base: &str, uri: &str| {
            resolve(base, uri).ok_or_else(|| strange(name, "an address in it is not MediaMTX's"))
        };
        let (list, text) = self.get(&follow(&list, variant.uri)?, LONGEST_TEXT).await?;
        let read = clock::mono();
        let text = String::from_utf8_lossy(&text);
        let newest =
            Newest::of(&text).ok_or_else(|| strange(name, "no key frame is in its playlist"))?;
        let (_, init) = self.get(&follow(&list, newest.init)?, LONGEST_TEXT).await?;
        let init = match Init::read(&init) {
            Ok(init) => init,
            Err(Unusable::Codec(codec)) => return Ok(Err(not_h264(name, &codec))),
            Err(Unusable::Damaged) => return Err(strange(name, "its tracks cannot be read")),
        };
        let (_, media) = self
            .get(&follow(&list, newest.media)?, LONGEST_MEDIA)
            .await?;
        let unit = init
            .key_picture(&media)
            .ok_or_else(|| strange(name, "no IDR picture is where one should be"))?;
        let age = u64::try_from(newest.age.as_nanos()).unwrap_or(u64::MAX);
        Ok(Ok(Coded {
            units: vec![unit],
            captured: Mono::from_nanos(read.as_nanos().saturating_sub(age)),
        }))
    }

    /// Asks for one file; gives its address after redirections, too.
    async fn get(&self, target: &str, longest: usize) -> Result<(String, Bytes), Trouble> {
        let mut target = target.to_owned();
        for _ in 0..=REDIRECTIONS {
            let (status, location, body) =
                self.exchange(&target, longest).await.map_err(|cause| {
                    let what = format!("MediaMTX's HLS server at {} broke off", self.address);
                    let error = Error::new(Kind::Reopen, what)
                        .because(cause)
                        .action("see in the log why MediaMTX is not running");
                    Trouble::Failed(error)
                })?;
            if status.is_success() {
                return Ok((target, body));
            }
            if status == StatusCode::NOT_FOUND {
                return Err(Trouble::Nothing);
            }
            match location.and_then(|to| resolve(&target, &to)) {
                Some(to) if status.is_redirection() => target = to,
                _ => {
                    let what = format!("MediaMTX's HLS server answered with {status}: ");
                    let words: String = String::from_utf8_lossy(&body).chars().take(200).collect();
                    let error = Error::new(Kind::Transient, what + words.trim()).action(
                        "see MediaMTX's words in the log: it offers no HLS of a stream without a codec it knows",
                    );
                    return Err(Trouble::Failed(error));
                }
            }
        }
        let error = Error::new(Kind::Transient, "MediaMTX's HLS server redirects in a ring");
        Err(Trouble::Failed(error))
    }

    async fn exchange(
        &self,
        target: &str,
        longest: usize,
    ) -> Result<(StatusCode, Option<String>, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::builder()
            .uri(target)
            .header(header::HOST, self.address.to_string())
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())?;
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let location = response.headers().get(header::LOCATION);
            let location = location.and_then(|l| l.to_str().ok()).map(str::to_owned);
            let body = Limited::new(response.into_body(), longest)
                .collect()
                .await?;
            Ok((status, location, body.to_bytes()))
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
}

impl KeyPictures for Hls {
    fn newest(&self, name: &str, patience: Duration) -> Later<Coded> {
        Box::pin(self.clone().newest(name.to_owned(), patience))
    }
}

/// Waits for the next question, or says why there is no time for one.
async fn continue_or(until: Instant, why: impl FnOnce() -> Error) -> Result<()> {
    if Instant::now() + PAUSE >= until {
        return Err(why());
    }
    sleep(PAUSE).await;
    Ok(())
}

fn gone(name: &str) -> Error {
    Error::new(
        Kind::Gone,
        format!("MediaMTX does not get {name} from its source"),
    )
    .action("check its source and its address")
}

fn late(name: &str, patience: Duration) -> Error {
    Error::new(
        Kind::Transient,
        format!(
            "{name} gave no key frame within {:.1} s",
            patience.as_secs_f64()
        ),
    )
    .action("try again in some seconds; let its source send a key frame every second or two if it stays")
}

fn not_h264(name: &str, codec: &str) -> Error {
    Error::new(
        Kind::Refused,
        format!("{name} is coded as {codec}, and only H.264 can be decoded here"),
    )
    .action("let its source send H.264, or record it with start_recording")
}

fn strange(name: &str, what: &str) -> Trouble {
    Trouble::Failed(
        Error::new(
            Kind::Transient,
            format!("MediaMTX's HLS of {name} cannot be used: {what}"),
        )
        .action("try again; its source may send no IDR pictures"),
    )
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;

    #[tokio::test]
    async fn nobody_listening_is_said_with_the_address_and_without_the_secret() {
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let hls = Hls::new(free, &Secret::new("geheim".to_owned()));
        assert!(!format!("{hls:?}").contains(&BASE64.encode(b"camera-service:geheim")));
        let patience = Duration::from_secs(5);
        let error = KeyPictures::newest(&hls, "drone", patience)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Reopen);
        assert!(error.to_string().contains(&free.to_string()), "{error}");
    }
}
