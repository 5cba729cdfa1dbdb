//! Binds, and looks through `/proc` when the port is taken.

use std::fs;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::holder::{command, listening_inodes, socket_inode};
use crate::error::{Error, Kind, Result};

/// Binds a TCP listener; port 0 takes any free port.
///
/// # Errors
/// `Config`, naming the address and, where the port is taken, who holds it and what to do.
pub async fn bind(addr: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(addr).await.map_err(|e| {
        let (why, action) = match e.kind() {
            std::io::ErrorKind::AddrInUse => (
                holder(addr.port()).map_or_else(
                    || "it is taken by a process of another user".to_owned(),
                    |(pid, command)| format!("it is taken by process {pid} ({command})"),
                ),
                format!(
                    "stop that process, or set another port than {} in the configuration",
                    addr.port()
                ),
            ),
            std::io::ErrorKind::PermissionDenied => (
                "ports below 1024 need a privilege".to_owned(),
                "choose a port from 1024 up, or grant CAP_NET_BIND_SERVICE".to_owned(),
            ),
            std::io::ErrorKind::AddrNotAvailable => (
                "no interface has this address".to_owned(),
                "set the address of an interface, or 0.0.0.0 for all".to_owned(),
            ),
            _ => (
                "the system refused".to_owned(),
                "check the address in the configuration".to_owned(),
            ),
        };
        Error::new(Kind::Config, format!("cannot listen on {addr}: {why}"))
            .action(action)
            .because(e)
    })
}

/// Process and command that listen on `port`, as far as we may look.
fn holder(port: u16) -> Option<(u32, String)> {
    let inodes: Vec<u64> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let holds = fs::read_dir(process.path().join("fd"))
            .ok()?
            .flatten()
            .filter_map(|fd| fs::read_link(fd.path()).ok())
            .any(|link| socket_inode(&link.to_string_lossy()).is_some_and(|i| inodes.contains(&i)));
        holds.then(|| {
            let cmdline = fs::read(process.path().join("cmdline")).unwrap_or_default();
            (pid, command(&cmdline))
        })
    })
}
