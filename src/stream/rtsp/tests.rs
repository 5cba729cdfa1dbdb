use super::*;
use proptest::prelude::*;

fn client() -> Client {
    let url = Url::parse("rtsp://127.0.0.1:8554/camera0").unwrap();
    Client::new(url, "box", "s3cret", b"v=0\r\n".to_vec())
}

fn output(client: &mut Client) -> String {
    String::from_utf8(client.poll_output().unwrap_or_default()).unwrap()
}

fn ok(cseq: u32, more: &str) -> Vec<u8> {
    format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{more}\r\n").into_bytes()
}

#[test]
fn announce_setup_and_record_follow_each_other_with_credentials_and_session() {
    let mut client = client();
    let announce = output(&mut client);
    assert!(announce.starts_with("ANNOUNCE rtsp://127.0.0.1:8554/camera0 RTSP/1.0\r\n"));
    assert!(announce.contains("Content-Type: application/sdp\r\n"));
    assert!(announce.contains("Authorization: Basic Ym94OnMzY3JldA==\r\n"));
    assert!(announce.ends_with("\r\n\r\nv=0\r\n"));

    assert_eq!(
        client.handle_bytes(&ok(1, "Session: abc;timeout=60\r\n")),
        None
    );
    let setup = output(&mut client);
    assert!(setup.starts_with("SETUP rtsp://127.0.0.1:8554/camera0/trackID=0 RTSP/1.0\r\n"));
    assert!(setup.contains("Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record\r\n"));
    assert!(setup.contains("Session: abc\r\n"));

    assert_eq!(client.handle_bytes(&ok(2, "")), None);
    assert!(output(&mut client).starts_with("RECORD rtsp://127.0.0.1:8554/camera0 RTSP/1.0\r\n"));
    assert_eq!(client.handle_bytes(&ok(3, "")), Some(Event::Recording));

    client.teardown();
    assert!(output(&mut client).starts_with("TEARDOWN "));
}

#[test]
fn replies_may_come_byte_by_byte_with_receiver_reports_in_between() {
    let mut client = client();
    let mut wire = ok(1, "Session: s\r\n");
    wire.extend([b'$', 1, 1, 0]);
    wire.extend([b'R'; 256]);
    wire.extend(ok(2, ""));
    wire.extend([b'$', 1, 0, 2, b'$', b'$']);
    wire.extend(ok(3, ""));
    let events: Vec<_> = wire
        .iter()
        .filter_map(|b| client.handle_bytes(&[*b]))
        .collect();
    assert_eq!(events, [Event::Recording]);
    assert_eq!(client.held(), 0);
}

#[test]
fn a_refusal_tells_the_request_the_status_and_the_servers_words() {
    for (line, body, words) in [
        ("401 Unauthorized", "", "ANNOUNCE with 401 Unauthorized"),
        (
            "400 Bad Request",
            "no such codec",
            "400 Bad Request: no such codec",
        ),
        ("404 Not Found", "", "404 Not Found"),
    ] {
        let mut client = client();
        let reply = format!(
            "RTSP/1.0 {line}\r\nCSeq: 1\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        match client.handle_bytes(reply.as_bytes()) {
            Some(Event::Refused { status, reason }) => {
                assert_eq!(status.to_string(), line[..3]);
                assert!(reason.contains(words), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_answer_to_another_request_or_an_endless_one_ends_the_session() {
    let mut client = client();
    assert!(matches!(
        client.handle_bytes(&ok(7, "")),
        Some(Event::Broken(_))
    ));
    let mut client = self::client();
    let mut endless = b"RTSP/1.0 200 OK\r\nX: ".to_vec();
    endless.extend([b'a'; 2 * MAX_REPLY]);
    assert!(matches!(
        client.handle_bytes(&endless),
        Some(Event::Broken(_))
    ));
    assert_eq!(client.held(), 0);
}

/// Bytes that look like RTSP often enough to get past the first check.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        Just(ok(1, "Session: x\r\n")),
        Just(ok(2, "")),
        Just(ok(3, "Content-Length: 99999999999999\r\n")),
        Just(ok(1, "Content-Length: -1\r\n")),
        Just(b"RTSP/1.0 ".to_vec()),
        Just(b"$\x01\xff\xff".to_vec()),
        Just(b"\r\n \r\n\t".to_vec()),
        Just(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..200),
    ];
    proptest::collection::vec(pieces, 0..20).prop_map(|p| p.concat())
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic_and_never_hold_more_than_the_bound(
        bytes in hostile(), cut in 1usize..300,
    ) {
        let mut client = client();
        for piece in bytes.chunks(cut) {
            client.handle_bytes(piece);
            prop_assert!(client.held() <= MAX_REPLY);
            prop_assert!(client.input.capacity() <= 4 * MAX_REPLY);
        }
    }
}
