//! A real S3 server of somebody else, started by the test: `s3s-fs`, which keeps buckets as folders, checks signatures, and
//! keeps the parts of an upload over its own restart. `tools/s3` builds it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;

pub(crate) const KEY: &str = "AKIATEST";
pub(crate) const SECRET: &str = "a/secret+that=nobody.else.has";
pub(crate) const BUCKET: &str = "cameras";

/// The server; it ends with this.
pub(crate) struct Server {
    pub(crate) root: PathBuf,
    pub(crate) address: SocketAddr,
    child: Option<Child>,
}

fn binary() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target"),
        PathBuf::from,
    );
    let binary = target.join("tools/bin/s3s-fs");
    assert!(
        binary.exists(),
        "no S3 server at {}: build it with tools/s3",
        binary.display()
    );
    binary
}

impl Server {
    /// A place for one, which does not run yet.
    pub(crate) fn new() -> Self {
        let root = std::env::temp_dir().join(format!("s3-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(root.join(BUCKET)).unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Self {
            root,
            address: free.local_addr().unwrap(),
            child: None,
        }
    }

    /// One that answers.
    pub(crate) async fn running() -> Self {
        let mut server = Self::new();
        server.start().await;
        server
    }

    pub(crate) async fn start(&mut self) {
        let child = Command::new(binary())
            .args(["--host", "127.0.0.1", "--port"])
            .arg(self.address.port().to_string())
            .args(["--access-key", KEY, "--secret-key", SECRET])
            .arg(&self.root)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let answers = async {
            while TcpStream::connect(self.address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), answers)
            .await
            .expect("the S3 server does not listen");
    }

    /// As a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the store has under a name.
    pub(crate) fn object(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.root.join(BUCKET).join(name)).ok()
    }

    /// Files beneath the server's folder whose name has this in it.
    pub(crate) fn files(&self, part: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if name.contains(part) {
                    found.push(path);
                } else if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        found
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.root);
    }
}
