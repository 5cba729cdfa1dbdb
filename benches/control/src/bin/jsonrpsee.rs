//! A peer: jsonrpsee with three methods of the same names and answers of the same size. Prints its port.

use jsonrpsee::server::{RpcModule, Server, ServerConfig};
use serde_json::{Value, json};

fn cameras() -> Value {
    json!({ "cameras": [], "total": 0, "connected": 0 })
}

fn recordings() -> Value {
    json!({ "files": [], "total": 0, "limit": 50, "offset": 0 })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    control_bench::process::raise_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // As the service: everybody in turn.
        .max_io_events_per_tick(48)
        .global_queue_interval(8)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let config = ServerConfig::builder().max_connections(20_000).build();
        let server = Server::builder()
            .set_config(config)
            .build("127.0.0.1:0")
            .await?;
        let mut module = RpcModule::new(());
        module.register_method("ping", |_, (), _| "pong")?;
        module.register_method("get_camera_list", |_, (), _| cameras())?;
        module.register_method("list_recordings", |_, (), _| recordings())?;
        println!("{}", server.local_addr()?.port());
        server.start(module).stopped().await;
        Ok(())
    })
}
