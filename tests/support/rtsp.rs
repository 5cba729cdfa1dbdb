//! An RTSP server that agrees to everything and reads everything; it counts the pictures that came.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The server. Its thread ends with its one connection.
pub(crate) struct Sink {
    pub(crate) addr: SocketAddr,
    pictures: Arc<AtomicU64>,
}

impl Sink {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let pictures = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&pictures);
        std::thread::spawn(move || serve(listener.accept().unwrap().0, &seen));
        Self { addr, pictures }
    }

    /// RTP packets with the marker that came so far.
    pub(crate) fn pictures(&self) -> u64 {
        self.pictures.load(Relaxed)
    }
}

/// Reads requests and interleaved frames until the peer closes.
fn serve(mut stream: TcpStream, pictures: &AtomicU64) {
    let mut input = BufReader::with_capacity(256 << 10, stream.try_clone().unwrap());
    let mut frame = Vec::new();
    while let Some(&first) = input.fill_buf().ok().and_then(|bytes| bytes.first()) {
        if first != b'$' {
            answer(&mut input, &mut stream);
            continue;
        }
        let mut head = [0; 4];
        input.read_exact(&mut head).unwrap();
        frame.resize(usize::from(u16::from_be_bytes([head[2], head[3]])), 0);
        if input.read_exact(&mut frame).is_err() {
            return;
        }
        let marked = head[1] == 0 && frame[1] & 0x80 != 0;
        if marked && pictures.fetch_add(1, Relaxed).is_multiple_of(8) {
            // A receiver report, as MediaMTX sends them now and then.
            let report = [b'$', 1, 0, 8, 0x80, 201, 0, 1, 1, 2, 3, 4];
            if stream.write_all(&report).is_err() {
                return;
            }
        }
    }
}

/// Says yes to one request.
fn answer(input: &mut impl BufRead, stream: &mut TcpStream) {
    let (mut sequence, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        input.read_line(&mut line).unwrap();
        match line.trim_end().split_once(": ") {
            Some(("CSeq", number)) => sequence = number.to_owned(),
            Some(("Content-Length", bytes)) => length = bytes.parse().unwrap(),
            _ if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    std::io::copy(&mut input.take(length), &mut std::io::sink()).unwrap();
    let yes = format!("RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\nSession: 1\r\n\r\n");
    // A peer that is gone shows at the next read.
    let _ = stream.write_all(yes.as_bytes());
}
