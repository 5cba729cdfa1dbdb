//! Keeps the certificate's files, and takes new ones while clients stay connected.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use super::{Files, fingerprint, life, make, names, pair};
use crate::clock::{self, Mono, Wall};
use crate::durable;
use crate::error::{Error, Kind, Result};
use crate::system::alarms::{About, Alarm};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(1500);
/// How often its end is spoken of in the log.
const REMIND: Duration = Duration::from_secs(86_400);
/// A chain of certificates has a few KiB.
const LONGEST: u64 = 256 << 10;

/// The certificate shown to the next client; those inside keep theirs.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl Shown {
    fn get(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, pair: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

/// What tells one version of a file from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// The state of both files, `None` for one that cannot be looked at.
type Stamps = [Option<Stamp>; 2];

fn stamps(files: &Files) -> Stamps {
    [&files.certificate, &files.key].map(|path| {
        fs::metadata(path).ok().map(|meta| Stamp {
            inode: meta.ino(),
            size: meta.size(),
            changed: (meta.mtime(), meta.mtime_nsec()),
        })
    })
}

/// What is wrong with the files as they lie there, `None` while they are what is shown.
type Refused = Arc<RwLock<Option<String>>>;

/// The certificate in use and the files behind it.
#[derive(Debug)]
pub struct Certificate {
    files: Files,
    shown: Arc<Shown>,
    seen: Stamps,
    refused: Refused,
    /// What was said last of its end, and when.
    said: Option<(About, Mono)>,
}

/// Knows how the certificate stands. Answers from memory.
#[derive(Debug)]
pub struct Outlook {
    file: String,
    ours: bool,
    shown: Arc<Shown>,
    refused: Refused,
}

impl Outlook {
    /// What is wrong with it at `now`: it ends within [`life::WARN_DAYS`], has ended, or its files were changed to
    /// something that cannot be used.
    #[must_use]
    pub fn alarms(&self, now: Wall) -> Vec<Alarm> {
        let refused = self.refused.read().unwrap_or_else(PoisonError::into_inner);
        let refused = refused.as_ref().map(|why| Alarm {
            about: About::CertificateRefused,
            what: format!("{} is not taken, the former one is shown: {why}", self.file),
            action: "put a matching pair of certificate and key in place".to_owned(),
        });
        self.end(now).into_iter().chain(refused).collect()
    }

    fn end(&self, now: Wall) -> Option<Alarm> {
        let pair = self.shown.get();
        let ends = pair.cert.first().and_then(|first| life::ends(first));
        life::outlook(&self.file, self.ours, ends, now)
    }
}

impl Certificate {
    /// Reads the files; makes them first where they are ours and absent.
    ///
    /// # Errors
    /// `Config`, naming the file and what to do.
    pub fn open(files: Files) -> Result<Self> {
        if files.ours && !files.certificate.exists() {
            create(&files)?;
        }
        let seen = stamps(&files);
        let pair = read(&files).map_err(|why| {
            let action = if files.ours {
                "delete both files to have new ones made, which clients must trust anew"
            } else {
                "set server.tls_certificate and server.tls_key to the PEM files of one pair"
            };
            let named = format!(
                "cannot use the certificate {} with the key {}",
                files.certificate.display(),
                files.key.display()
            );
            Error::new(Kind::Config, named).because(why).action(action)
        })?;
        Ok(Self {
            files,
            shown: Arc::new(Shown(RwLock::new(Arc::new(pair)))),
            seen,
            refused: Refused::default(),
            said: None,
        })
    }

    /// The SHA-256 of the certificate clients are shown now.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let pair = self.shown.get();
        pair.cert
            .first()
            .map(|c| fingerprint(c))
            .unwrap_or_default()
    }

    /// Whom health asks about it.
    #[must_use]
    pub fn outlook(&self) -> Outlook {
        Outlook {
            file: self.files.certificate.display().to_string(),
            ours: self.files.ours,
            shown: Arc::clone(&self.shown),
            refused: Arc::clone(&self.refused),
        }
    }

    /// Its file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.files.certificate
    }

    /// TLS 1.2 and 1.3 with this certificate, HTTP/1.1 inside.
    ///
    /// # Errors
    /// `Internal` where the library lacks what it was built with.
    pub fn server(&self) -> Result<Arc<ServerConfig>> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::new(Kind::Internal, "TLS cannot be set up").because(e))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Looks at the files until `stopping` and takes a new pair within two seconds. A pair that is no good is
    /// told once in the log and leaves the old one in place.
    pub async fn keep(mut self, mut stopping: watch::Receiver<bool>) {
        loop {
            self.speak();
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => return,
                () = clock::round(LOOK) => {}
            }
            let looked = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            match looked.await {
                Ok(same) => self = same,
                // A panic while looking: what is shown stays, and the doors stay open.
                Err(_) => break,
            }
        }
        let _ = stopping.wait_for(|stop| *stop).await;
    }

    /// Says in the log that it ends or has ended: at once, and once a day.
    fn speak(&mut self) {
        let (alarm, now) = (self.outlook().end(clock::wall()), clock::mono());
        let Some(alarm) = alarm else {
            self.said = None;
            return;
        };
        let again = |(about, at)| about != alarm.about || now.since(at) >= REMIND;
        if self.said.is_none_or(again) {
            self.said = Some((alarm.about, now));
            tracing::warn!("{}; {}", alarm.what, alarm.action);
        }
    }

    fn refuse(&self, why: Option<String>) {
        *self.refused.write().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn look(&mut self) {
        let now = stamps(&self.files);
        if now == self.seen {
            return;
        }
        self.seen = now;
        let file = self.files.certificate.display();
        match read(&self.files) {
            Ok(pair) => {
                self.shown.set(pair);
                self.refuse(None);
                tracing::info!(%file, sha256 = self.fingerprint(), "a new certificate is shown from now on");
            }
            Err(why) => {
                tracing::warn!(
                    %file, why,
                    "the new certificate is not taken and the old one stays; put a matching pair in place"
                );
                self.refuse(Some(why));
            }
        }
    }
}

fn read(files: &Files) -> std::result::Result<CertifiedKey, String> {
    let text = |path: &Path| {
        let mut text = Vec::new();
        File::open(path)
            .and_then(|file| {
                if !file.metadata()?.is_file() {
                    return Err(io::Error::other("it is not a regular file"));
                }
                file.take(LONGEST).read_to_end(&mut text)
            })
            .map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
        Ok::<_, String>(text)
    };
    pair(&text(&files.certificate)?, &text(&files.key)?)
}

/// The key first: a certificate that is there always has its key.
fn create(files: &Files) -> Result<()> {
    let hostname = nix::unistd::gethostname()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let made = make(&names(&hostname, addresses()), clock::wall())?;
    durable::replace(&files.key, made.key.as_bytes(), 0o600)
        .and_then(|()| durable::replace(&files.certificate, made.certificate.as_bytes(), 0o644))
        .map_err(|e| {
            Error::new(
                Kind::Config,
                format!("cannot keep a certificate at {}", files.certificate.display()),
            )
            .because(e)
            .action("let the service's user own storage.data_dir, or set server.tls_certificate and server.tls_key")
        })
}

fn addresses() -> Vec<IpAddr> {
    let all = getifaddrs().into_iter().flatten();
    all.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
    })
    .collect()
}
