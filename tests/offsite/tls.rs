//! The same store over TLS: a door in front of it that speaks TLS with a certificate of the test's own authority.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use camera_service::offsite::State;
use camera_service::storage::quota::Kind;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::Camera;
use super::s3::Server;

/// A door that speaks TLS; gives its address and the PEM of its certificate.
async fn door(to: SocketAddr) -> (SocketAddr, String) {
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(client).await else {
                    return;
                };
                let mut store = TcpStream::connect(to).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut store).await;
            });
        }
    });
    (address, own.cert.pem())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_must_prove_who_it_is() {
    let server = Server::running().await;
    let (address, authority) = door(server.address).await;
    let camera = Camera::plain();
    let film = camera.file(Kind::Recording, "film", 6 << 20, 90);
    let file = camera.dir.join("authority.pem");
    fs::write(&file, &authority).unwrap();
    let mut settings = camera.settings(format!("https://localhost:{}", address.port()));
    let (_, stranger) = door(server.address).await;
    settings.authorities = camera.dir.join("stranger.pem");
    fs::write(&settings.authorities, stranger).unwrap();
    let work = camera.copy(settings.clone());
    let report = work.until("refused", |r| r.state == State::Refused).await;
    assert_eq!(report.trouble.unwrap().cause.word, "tls");
    work.stop().await;
    settings.authorities = file;
    let work = camera.copy(settings);
    work.copied(1).await;
    assert_eq!(
        server.object("barn/recordings/camera0/film.mp4"),
        Some(film)
    );
    work.stop().await;
}
