//! One client: a WebSocket, JSON text in both directions, nothing of the server's types.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::contract::Role;

/// Longest wait for any answer; a snapshot of a slow camera may take long (§8: tiers).
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);
/// What a limited server may make one call wait in all.
const MERCY: Duration = Duration::from_secs(120);

/// Where the server is, and who may call it.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// `host:port`.
    pub(crate) authority: String,
    /// `/ws`.
    pub(crate) path: String,
    /// Tokens of viewer, operator, admin.
    pub(crate) tokens: [String; 3],
}

impl Server {
    /// From `ws://host:8002/ws`.
    pub(crate) fn new(url: &str, tokens: [String; 3]) -> Self {
        let rest = url.strip_prefix("ws://").unwrap_or_else(|| {
            panic!("{url:?} is not ws://host:port/path; put TLS in front aside for this suite")
        });
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        Self {
            authority: authority.to_owned(),
            path: format!("/{path}"),
            tokens,
        }
    }

    pub(crate) fn token(&self, role: Role) -> Option<&str> {
        match role {
            Role::Stranger => None,
            Role::Viewer => Some(&self.tokens[0]),
            Role::Operator => Some(&self.tokens[1]),
            Role::Admin => Some(&self.tokens[2]),
        }
    }
}

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) raw: String,
    pub(crate) json: Value,
    pub(crate) took: Duration,
}

impl Answer {
    pub(crate) fn code(&self) -> Option<i64> {
        self.json["error"]["code"].as_i64()
    }

    pub(crate) fn result(&self) -> &Value {
        &self.json["result"]
    }

    pub(crate) fn data(&self) -> &Value {
        &self.json["error"]["data"]
    }

    pub(crate) fn is_success(&self) -> bool {
        self.json.get("result").is_some()
    }

    /// The id digit by digit as it came.
    pub(crate) fn id_text(&self) -> Option<String> {
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&self.raw).ok()?;
        members.get("id").map(|raw| raw.get().to_owned())
    }
}

/// An answer, or why there is none.
pub(crate) type Reply = Result<Answer, String>;

/// A connection with a role; connects (and logs in) when it has to.
pub(crate) struct Wire {
    server: Server,
    role: Role,
    ws: Option<WebSocketStream<TcpStream>>,
    next: u64,
    /// Notifications that came meanwhile.
    pub(crate) heard: VecDeque<Value>,
}

impl Wire {
    pub(crate) fn new(server: &Server, role: Role) -> Self {
        Self {
            server: server.clone(),
            role,
            ws: None,
            next: 1,
            heard: VecDeque::new(),
        }
    }

    /// Ends the connection; the next call opens another.
    pub(crate) async fn end(&mut self) {
        if let Some(mut ws) = self.ws.take() {
            let _ = timeout(Duration::from_secs(2), ws.close(None)).await;
        }
    }

    async fn open(&mut self) -> Result<&mut WebSocketStream<TcpStream>, String> {
        if self.ws.is_none() {
            let deadline = Instant::now() + MERCY;
            let ws = loop {
                match connect(&self.server, "").await {
                    Ok(ws) => break ws,
                    // A full house (503) is a limit: others' seats become free again.
                    Err(e) if Instant::now() < deadline && e.contains("503") => {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                    Err(e) => return Err(e),
                }
            };
            self.ws = Some(ws);
            if let Some(token) = self.server.token(self.role).map(str::to_owned) {
                let answer =
                    Box::pin(self.call("authenticate", &json!({ "auth_token": token }))).await?;
                if answer.result()["authenticated"] != true {
                    self.ws = None;
                    return Err(format!(
                        "the {} token was refused: {}",
                        self.role.word(),
                        answer.raw
                    ));
                }
            }
        }
        self.ws.as_mut().ok_or_else(|| "not connected".to_owned())
    }

    /// Sends a text as it is.
    pub(crate) async fn send_text(&mut self, text: &str) -> Result<(), String> {
        let message = Message::text(text.to_owned());
        let ws = self.open().await?;
        let sent = timeout(PATIENCE, ws.send(message)).await;
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => {
                self.ws = None;
                Err(format!("sending failed: {e}"))
            }
            Err(_) => Err("sending took too long".to_owned()),
        }
    }

    /// Sends any message, for frames that are no text.
    pub(crate) async fn send(&mut self, message: Message) -> Result<(), String> {
        let ws = self.open().await?;
        match timeout(PATIENCE, ws.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(format!("sending failed: {e}")),
            Err(_) => Err("sending took too long".to_owned()),
        }
    }

    /// The next text that came, whatever it is.
    pub(crate) async fn next_text(&mut self, patience: Duration) -> Result<String, String> {
        let deadline = Instant::now() + patience;
        loop {
            let ws = self.ws.as_mut().ok_or_else(|| "not connected".to_owned())?;
            let left = deadline.saturating_duration_since(Instant::now());
            match timeout(left, ws.next()).await {
                Err(_) => return Err(format!("nothing came within {patience:?}")),
                Ok(None) => {
                    self.ws = None;
                    return Err("the connection ended".to_owned());
                }
                Ok(Some(Err(e))) => {
                    self.ws = None;
                    return Err(format!("the connection broke: {e}"));
                }
                Ok(Some(Ok(Message::Close(frame)))) => {
                    self.ws = None;
                    let code = frame.map_or(1005, |f| u16::from(f.code));
                    return Err(format!("the connection was closed with {code}"));
                }
                Ok(Some(Ok(Message::Text(text)))) => return Ok(text.to_string()),
                Ok(Some(Ok(Message::Binary(_)))) => return Err("a binary frame came".to_owned()),
                Ok(Some(Ok(_))) => {}
            }
        }
    }

    /// The next message that is no notification; notifications are kept.
    pub(crate) async fn next_answer(&mut self, patience: Duration) -> Reply {
        let began = Instant::now();
        let deadline = began + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let raw = self.next_text(left).await?;
            let json: Value = serde_json::from_str(&raw)
                .map_err(|e| format!("the server sent what is no JSON: {e}: {raw}"))?;
            if json.get("method").is_some() && json.get("id").is_none() {
                if self.heard.len() < 10_000 {
                    self.heard.push_back(json);
                }
                continue;
            }
            return Ok(Answer {
                raw,
                json,
                took: began.elapsed(),
            });
        }
    }

    /// Waits for a notification; those it does not want are dropped.
    pub(crate) async fn hear(
        &mut self,
        patience: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        let deadline = Instant::now() + patience;
        loop {
            while let Some(note) = self.heard.pop_front() {
                if wanted(&note) {
                    return Some(note);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let text = self.next_text(left).await.ok()?;
            self.heard.extend(serde_json::from_str::<Value>(&text));
        }
    }

    /// Sends a request without waiting; gives its id.
    pub(crate) async fn post(&mut self, method: &str, params: Option<&str>) -> Result<u64, String> {
        let id = self.next;
        self.next += 1;
        self.send_text(&request(&id.to_string(), method, params))
            .await?;
        Ok(id)
    }

    /// One request with parameters as JSON text, and its answer. Obeys a limit of the server.
    pub(crate) async fn ask(&mut self, method: &str, params: Option<&str>) -> Reply {
        let deadline = Instant::now() + MERCY;
        loop {
            let answer = self.ask_once(method, params).await?;
            if answer.code() == Some(-32040) && Instant::now() < deadline {
                let wait = answer.data()["retry_after_ms"].as_u64().unwrap_or(1000);
                tokio::time::sleep(Duration::from_millis(wait.clamp(1, 60_000))).await;
                continue;
            }
            return Ok(answer);
        }
    }

    /// The same, where being limited is an answer as any other.
    pub(crate) async fn ask_once(&mut self, method: &str, params: Option<&str>) -> Reply {
        let id = self.post(method, params).await?;
        loop {
            let answer = self.next_answer(PATIENCE).await?;
            // Late answers of calls that were given up.
            if answer.json["id"].as_u64().is_none_or(|came| came >= id) {
                return Ok(answer);
            }
        }
    }

    /// One request with parameters, and its answer.
    pub(crate) async fn call(&mut self, method: &str, params: &Value) -> Reply {
        self.ask(method, Some(&params.to_string())).await
    }

    /// A text that may be no request at all, and what came of it.
    pub(crate) async fn exchange(&mut self, text: &str) -> Reply {
        self.send_text(text).await?;
        self.next_answer(PATIENCE).await
    }
}

/// A request's text.
pub(crate) fn request(id: &str, method: &str, params: Option<&str>) -> String {
    let method = json!(method);
    let params = params.map_or_else(String::new, |p| format!(r#","params":{p}"#));
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{method}{params}}}"#)
}

/// Opens a socket, with an `Origin` where one is given.
pub(crate) async fn connect(
    server: &Server,
    origin: &str,
) -> Result<WebSocketStream<TcpStream>, String> {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    let url = format!("ws://{}{}", server.authority, server.path);
    let mut request = url
        .into_client_request()
        .map_err(|e| format!("no such address: {e}"))?;
    if !origin.is_empty() {
        let value = origin.parse().map_err(|_| "a bad origin".to_owned())?;
        request.headers_mut().insert("origin", value);
    }
    let open = async {
        let stream = TcpStream::connect(&server.authority)
            .await
            .map_err(|e| format!("cannot connect to {}: {e}", server.authority))?;
        let _ = stream.set_nodelay(true);
        tokio_tungstenite::client_async(request, stream)
            .await
            .map(|(ws, _)| ws)
            .map_err(|e| format!("no WebSocket at {}{}: {e}", server.authority, server.path))
    };
    timeout(PATIENCE, open)
        .await
        .map_err(|_| "connecting took too long".to_owned())?
}
