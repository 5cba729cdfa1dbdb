//! Serves a connection over whatever reads and writes.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::http::io::{Caller, Shared, connection};
use crate::http::route::Door;
use crate::http::seats::io::Seat;
use crate::http::{Services, ws};

/// The doors without listeners: one connection after the other, over anything that reads and writes.
#[expect(missing_debug_implementations, reason = "nobody prints it")]
pub struct Doorstep(Arc<Shared>);

impl Doorstep {
    /// Before these services.
    #[must_use]
    pub fn new(services: Services) -> Self {
        let (feed, _) = ws::feed::io::open(&services);
        let shared = Arc::new(Shared::new(services, feed, false));
        Self(shared)
    }

    /// Serves one connection to its end.
    pub async fn serve<S>(&self, stream: S, door: Door)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = SocketAddr::from(([192, 0, 2, 7], 40_000));
        let local = SocketAddr::from(([192, 0, 2, 1], 8002));
        if let Some(seat) = Seat::enter(&self.0.hall, peer.ip()) {
            let caller = Box::new(Caller { peer, local, door });
            let shared = Arc::clone(&self.0);
            connection(stream, caller, shared, seat).await;
        }
    }
}
