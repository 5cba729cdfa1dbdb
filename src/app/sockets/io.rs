//! Opens our listeners, and finds those of MediaMTX free.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use tokio::net::TcpListener;

use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::http::bind::io::bind;
use crate::mediamtx;
use crate::mediamtx::io::pick_free_ports;

/// A listener where one is wanted.
pub(in crate::app) async fn open(
    wanted: bool,
    host: IpAddr,
    port: u16,
) -> Result<Option<TcpListener>> {
    Ok(if wanted {
        Some(bind(SocketAddr::new(host, port)).await?)
    } else {
        None
    })
}

/// Where a listener really is.
pub(in crate::app) fn local(listener: &TcpListener) -> Result<SocketAddr> {
    listener
        .local_addr()
        .map_err(|e| Error::new(Kind::Internal, "a listener has no address").because(e))
}

/// Where we ourselves reach a listener on `host`: "every address" is none.
pub(in crate::app) fn reachable_here(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

/// What MediaMTX is told, each of its addresses free now.
pub(in crate::app) async fn media_settings(
    config: &Config,
    internal: SocketAddr,
) -> Result<mediamtx::Settings> {
    let wanted = &config.mediamtx;
    let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let mut settings = mediamtx::Settings {
        rtsp: SocketAddr::new(wanted.rtsp_host, wanted.rtsp_port),
        hls: loopback(wanted.hls_port),
        webrtc: loopback(wanted.webrtc_port),
        api: loopback(wanted.api_port),
        webrtc_udp: SocketAddr::new(wanted.rtsp_host, wanted.webrtc_udp_port),
        webrtc_tcp: None,
        auth_url: format!("http://{internal}/auth"),
        additional_hosts: wanted.additional_hosts.clone(),
        log: mediamtx::settings::LogLevel::Info,
    };
    if wanted.managed {
        // Asked now, because MediaMTX itself could not say who holds a port.
        let udp = settings.webrtc_udp;
        if udp.port() != 0
            && let Err(e) = UdpSocket::bind(udp)
        {
            return Err(Error::new(
                Kind::Config,
                format!("cannot receive WebRTC media on UDP {udp}"),
            )
            .because(e)
            .action("stop whoever holds that port, or set mediamtx.webrtc_udp_port"));
        }
        for address in [settings.rtsp, settings.hls, settings.webrtc, settings.api] {
            if address.port() != 0 {
                drop(bind(address).await?);
            }
        }
    }
    pick_free_ports(&mut settings)?;
    Ok(settings)
}
