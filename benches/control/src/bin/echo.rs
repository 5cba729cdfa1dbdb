//! The ceiling: a bare fastwebsockets echo. Prints the port it listens on.

use fastwebsockets::{FragmentCollector, OpCode, WebSocketError, upgrade};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

async fn talk(socket: upgrade::UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = FragmentCollector::new(socket.await?);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}

async fn upgraded(
    mut request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, socket) = upgrade::upgrade(&mut request)?;
    // A client that leaves is no news here.
    tokio::spawn(async move { drop(talk(socket).await) });
    Ok(response)
}

fn main() -> std::io::Result<()> {
    control_bench::process::raise_descriptors();
    // As many workers as the service has.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // As the service: everybody in turn.
        .max_io_events_per_tick(48)
        .global_queue_interval(8)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move {
                let connection = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(upgraded));
                drop(connection.with_upgrades().await);
            });
        }
    })
}
