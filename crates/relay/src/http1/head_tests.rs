//! Heads by hand and drawn at random.

use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Result<Option<(Head, String)>, HeadError> {
    let mut buffer = BytesMut::from(text);
    let head = HeadReader::new(64 << 10).read(&mut buffer)?;
    Ok(head.map(|head| (head, String::from_utf8_lossy(&buffer).into_owned())))
}

fn head(fields: &str) -> Head {
    read(&format!("POST /v1/x?a=b HTTP/1.1\r\n{fields}\r\n")).unwrap().unwrap().0
}

#[test]
fn a_head_is_taken_and_what_follows_stays() {
    let text = "\r\nPOST /v1/x?a=b HTTP/1.1\r\nHost: here\r\nX-One:  1 \r\nx-one: 2\r\n\r\n{\"body\":1}GET";
    let (head, rest) = read(text).unwrap().unwrap();
    assert_eq!(rest, "{\"body\":1}GET");
    assert_eq!(
        (head.parts.method.as_str(), head.parts.uri.path(), head.parts.uri.query()),
        ("POST", "/v1/x", Some("a=b"))
    );
    assert_eq!(head.parts.headers["host"], "here");
    assert_eq!(head.parts.headers.get_all("x-one").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!((head.framing, head.keeps, head.expects), (Ok(Framing::Length(0)), true, false));
}

#[test]
fn a_body_has_one_end_or_the_request_is_not_believed() {
    assert_eq!(head("Content-Length: 12\r\n").framing, Ok(Framing::Length(12)));
    assert_eq!(head("content-length: 12\r\ncontent-length: 12\r\n").framing, Ok(Framing::Length(12)));
    assert_eq!(head("Transfer-Encoding: Chunked \r\n").framing, Ok(Framing::Chunked));
    for two in [
        "content-length: 12\r\ncontent-length: 13\r\n",
        "content-length: 12, 12\r\n",
        "content-length: +12\r\n",
        "content-length: 0x1\r\n",
        "content-length:\r\n",
        "content-length: 99999999999999999999\r\n",
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: \x0bchunked\r\n",
        "transfer-encoding:\r\n",
    ] {
        match read(&format!("POST / HTTP/1.1\r\n{two}\r\n")) {
            Ok(Some((head, _))) => assert!(head.framing.is_err(), "{two:?}"),
            Ok(None) => panic!("{two:?} waits"),
            Err(_) => {}
        }
    }
    let old = read("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n").unwrap().unwrap().0;
    assert!(old.framing.is_err());
}

#[test]
fn the_connection_is_kept_as_its_version_says() {
    for (version, fields, keeps) in [
        ("1.1", "", true),
        ("1.1", "connection: close\r\n", false),
        ("1.1", "connection: x, Close\r\n", false),
        ("1.1", "connection: keep-alive\r\nconnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "connection: Keep-Alive\r\n", true),
        ("1.0", "connection: keep-alive, close\r\n", false),
    ] {
        let head = read(&format!("GET / HTTP/{version}\r\n{fields}\r\n")).unwrap().unwrap().0;
        assert_eq!(head.keeps, keeps, "{version} {fields}");
    }
}

#[test]
fn only_a_new_client_is_told_to_send_on() {
    assert!(head("Expect: 100-Continue\r\n").expects);
    assert!(!head("expect: tea\r\n").expects);
    assert!(!read("POST / HTTP/1.0\r\nexpect: 100-continue\r\n\r\n").unwrap().unwrap().0.expects);
}

#[test]
fn what_is_not_http_is_refused_at_once_and_what_is_long_when_it_is_too_long() {
    for wrong in [
        "\x16\x03\x01",
        "GET",
        "GET / HTTP/2.0\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "G@T / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\na b: c\r\n\r\n",
        "GET / HTTP/1.1\r\na: b\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\na : b\r\n\r\n",
        "GET / HTTP/1.1\r\na: \0\r\n\r\n",
    ] {
        assert!(matches!(read(wrong), Err(HeadError::Malformed(_))) || wrong == "GET", "{wrong:?} {:?}", read(wrong));
    }
    let long = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(200));
    for most in [100, 200, long.len() - 1] {
        assert_eq!(HeadReader::new(most).read(&mut BytesMut::from(&*long)).unwrap_err(), HeadError::TooLong(most));
    }
    assert!(HeadReader::new(long.len()).read(&mut BytesMut::from(&*long)).unwrap().is_some());
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(129));
    assert_eq!(read(&many).unwrap_err(), HeadError::TooMany);
}

/// A field that is about framing, or not.
fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z-]{1,12}: [ -~]{0,20}",
        Just("content-length: 5".to_owned()),
        Just("Content-Length: 6".to_owned()),
        Just("transfer-encoding: chunked".to_owned()),
        Just("connection: close".to_owned()),
    ]
}

proptest! {
    #[test]
    fn any_cut_of_the_same_bytes_gives_the_same_head(
        fields in proptest::collection::vec(field(), 0..6),
        cuts in proptest::collection::vec(1_usize..40, 0..40),
    ) {
        let text: String = ["POST /v1/x HTTP/1.1".to_owned()].iter().chain(&fields).map(|line| format!("{line}\r\n")).collect();
        let text = format!("{text}\r\nrest");
        let whole = read(&text);
        let mut reader = HeadReader::new(64 << 10);
        let (mut buffer, mut at, mut cuts) = (BytesMut::new(), 0, cuts.into_iter());
        let cut = loop {
            let end = (at + cuts.next().unwrap_or(usize::MAX / 2)).min(text.len());
            buffer.extend_from_slice(&text.as_bytes()[at..end]);
            at = end;
            match reader.read(&mut buffer) {
                Ok(None) if at < text.len() => {}
                other => break other,
            }
        };
        match (whole, cut) {
            (Ok(Some((whole, _))), Ok(Some(cut))) => {
                prop_assert_eq!(whole.parts.headers, cut.parts.headers);
                prop_assert_eq!(whole.framing, cut.framing);
                buffer.extend_from_slice(&text.as_bytes()[at..]);
                prop_assert_eq!(&buffer[..], b"rest");
            }
            (Err(whole), Err(cut)) => prop_assert_eq!(whole, cut),
            (whole, cut) => prop_assert!(false, "{:?} {:?}", whole.is_ok(), cut.is_ok()),
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = HeadReader::new(100).read(&mut BytesMut::from(&bytes[..]));
    }
}
