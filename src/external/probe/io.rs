//! Asks one address and port for its streams; every wait has an end.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{LONGEST, Question, Said, answer, request};
use crate::external::discovery::{Media, Target, View};

/// How long somebody may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(1);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);

/// What one address and port said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Paths with a picture.
    pub streams: Vec<(String, View, Media)>,
    /// Paths that may have one, for those who log in.
    pub locked: Vec<String>,
}

/// Asks. Nobody there, or somebody who speaks something else, is an empty answer.
pub async fn probe(target: &Target) -> Heard {
    let peer = SocketAddr::new(target.ip, target.port);
    let mut heard = Heard::default();
    let mut line = None;
    for (path, view) in &target.paths {
        if line.is_none() {
            line = Line::open(peer, path).await;
        }
        let Some(open) = &mut line else {
            return heard;
        };
        match open.ask(Question::Describe, path).await {
            Ok(Said::Stream(media)) => heard.streams.push((path.clone(), *view, media)),
            Ok(Said::LogIn) => heard.locked.push(path.clone()),
            Ok(Said::Nothing | Said::Speaks) => {}
            Err(why) => {
                tracing::debug!(%peer, why, "asked for a stream");
                // Some servers close the line after a "not found".
                line = None;
            }
        }
    }
    heard
}

/// A connection to somebody who speaks RTSP.
struct Line {
    stream: TcpStream,
    peer: SocketAddr,
    cseq: u32,
}

impl Line {
    async fn open(peer: SocketAddr, path: &str) -> Option<Self> {
        let stream = timeout(CONNECT, TcpStream::connect(peer))
            .await
            .ok()?
            .ok()?;
        let mut line = Self {
            stream,
            peer,
            cseq: 0,
        };
        match line.ask(Question::Options, path).await {
            Ok(_) => Some(line),
            Err(why) => {
                tracing::debug!(%peer, why, "asked for a stream");
                None
            }
        }
    }

    async fn ask(&mut self, question: Question, path: &str) -> Result<Said, String> {
        self.cseq += 1;
        let asked = request(question, self.peer, path, self.cseq)?;
        let talk = async {
            self.stream
                .write_all(&asked)
                .await
                .map_err(|e| e.to_string())?;
            let mut bytes = Vec::new();
            let mut piece = [0; 4096];
            loop {
                let got = self
                    .stream
                    .read(&mut piece)
                    .await
                    .map_err(|e| e.to_string())?;
                if got == 0 {
                    return Err("it hung up".to_owned());
                }
                bytes.extend_from_slice(&piece[..got]);
                if let Some(said) = answer(question, self.cseq, &bytes)? {
                    return Ok(said);
                }
                // `answer` refuses what is longer; this is for its reader.
                debug_assert!(bytes.len() <= LONGEST + piece.len());
            }
        };
        timeout(ANSWER, talk)
            .await
            .unwrap_or_else(|_| Err("it does not answer".to_owned()))
    }
}
