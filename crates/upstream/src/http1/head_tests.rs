use super::*;

fn read(text: &str) -> Result<Option<Head>, HeadError> {
    HeadReader::new(false).read(&mut BytesMut::from(text))
}

fn head(text: &str) -> Head {
    read(text).unwrap().unwrap()
}

fn refused(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn a_head_is_read_and_what_follows_is_left() {
    let mut buffer = BytesMut::from("HTTP/1.1 201 Made it\r\nContent-Length: 5\r\nX-Two: a\r\nx-two:  b \r\n\r\nhello");
    let head = HeadReader::new(false).read(&mut buffer).unwrap().unwrap();
    assert_eq!((head.status, head.version), (StatusCode::CREATED, Version::HTTP_11));
    let sent: Vec<_> = head.fields.iter().skip(1).collect();
    assert_eq!(sent, [(&b"X-Two"[..], &b"a"[..]), (&b"x-two"[..], &b"b"[..])]);
    assert_eq!((head.framing, head.reusable), (Framing::Length(5), true));
    assert_eq!(buffer, "hello");
}

#[test]
fn a_head_in_single_bytes_is_the_same() {
    let text =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\na: b\r\n\r\nrest";
    let mut reader = HeadReader::new(false);
    let mut buffer = BytesMut::new();
    let mut bytes = text.bytes();
    let head = loop {
        buffer.extend_from_slice(&[bytes.next().unwrap()]);
        if let Some(head) = reader.read(&mut buffer).unwrap() {
            break head;
        }
    };
    assert_eq!(head.status, 200);
    assert_eq!(head.fields.text("a"), Some("b"));
    assert_eq!(bytes.collect::<Vec<_>>(), b"rest");
}

#[test]
fn every_framing_is_seen() {
    let framing = |fields: &str| {
        let head = head(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
        (head.framing, head.reusable)
    };
    assert_eq!(framing("content-length: 12\r\n"), (Framing::Length(12), true));
    assert_eq!(framing("content-length: 12\r\ncontent-length: 12\r\n"), (Framing::Length(12), true));
    assert_eq!(framing("content-length: 12, 12\r\n"), (Framing::Length(12), true));
    assert_eq!(framing("transfer-encoding: Chunked\r\n"), (Framing::Chunked, true));
    assert_eq!(framing("transfer-encoding: gzip, chunked\r\n"), (Framing::Chunked, true));
    assert_eq!(framing("transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n"), (Framing::Chunked, true));
    assert_eq!(framing("transfer-encoding: chunked, gzip\r\n"), (Framing::UntilClose, false));
    assert_eq!(framing(""), (Framing::UntilClose, false));
}

#[test]
fn a_length_beside_chunks_is_not_believed_and_costs_the_connection() {
    let head = head("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n");
    assert_eq!((head.framing, head.reusable), (Framing::Chunked, false));
    assert_eq!(head.fields.get("content-length"), None);
}

#[test]
fn answers_without_a_body_have_none_whatever_they_say() {
    let fields = "content-length: 7\r\n";
    for status in [204, 304] {
        let head = head(&format!("HTTP/1.1 {status} X\r\n{fields}\r\n"));
        assert_eq!((head.framing, head.reusable), (Framing::Length(0), true));
    }
    let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
    let head = HeadReader::new(true).read(&mut BytesMut::from(&*text)).unwrap().unwrap();
    assert_eq!(head.framing, Framing::Length(0));
    assert_eq!(head.fields.text("content-length"), Some("7"), "an answer to HEAD tells a length");
}

#[test]
fn a_connection_is_kept_only_where_both_may_expect_it() {
    let kept = |version: &str, connection: &str| {
        head(&format!("HTTP/{version} 200 OK\r\ncontent-length: 0\r\n{connection}\r\n")).reusable
    };
    assert!(kept("1.1", ""));
    assert!(kept("1.1", "connection: foo\r\n"));
    assert!(!kept("1.1", "Connection: Close\r\n"));
    assert!(!kept("1.1", "connection: foo, close\r\n"));
    assert!(!kept("1.1", "connection: close\r\nconnection: keep-alive\r\n"));
    assert!(!kept("1.0", ""));
    assert!(kept("1.0", "connection: Keep-Alive\r\n"));
}

#[test]
fn what_has_two_readings_is_refused() {
    for (fields, word) in [
        ("content-length: 1\r\ncontent-length: 2\r\n", "differ"),
        ("content-length: 1, 2\r\n", "differ"),
        ("content-length: 1,\r\n", "content-length"),
        ("content-length: +1\r\n", "content-length"),
        ("content-length: -1\r\n", "content-length"),
        ("content-length: 0x1\r\n", "content-length"),
        ("content-length: \r\n", "content-length"),
        ("content-length: 99999999999999999999\r\n", "content-length"),
        ("folded: a\r\n b\r\n", "malformed"),
        ("content-length : 1\r\n", "malformed"),
        ("no colon\r\n", "malformed"),
        ("nul: \0\r\n", "malformed"),
    ] {
        let said = refused(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
        assert!(said.contains(word), "{fields:?}: {said}");
    }
    assert!(refused("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").contains("transfer-encoding"));
    assert!(refused("HTTP/1.1 101 Switching Protocols\r\n\r\n").contains("switches"));
    assert!(refused("HTTP/2 200\r\n\r\n").contains("malformed"));
    assert!(refused("HTTP/1.1 099 X\r\n\r\n").contains("status"));
}

#[test]
fn what_is_not_http_is_seen_at_once() {
    for text in ["SSH-2.0-OpenSSH\r\n", "\x15\x03\x03", "<html>"] {
        assert!(refused(text).contains("malformed"), "{text}");
    }
}

#[test]
fn heads_are_bounded() {
    let long = format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(MAX_HEAD));
    assert!(refused(&long).contains("longer than 64 KiB"));
    assert!(refused(&(long + "\r\n\r\n")).contains("longer than 64 KiB"));
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(MAX_HEAD / 28 + 1);
    assert!(refused(&interim).contains("longer than 64 KiB"));
    let fields = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(count));
    assert_eq!(head(&fields(MAX_FIELDS)).fields.iter().count(), MAX_FIELDS);
    assert!(refused(&fields(MAX_FIELDS + 1)).contains("too many headers"));
}

#[test]
fn a_value_with_bytes_beyond_ascii_passes() {
    let mut buffer = BytesMut::from(&b"HTTP/1.1 200 \xc3\xa4\r\nx: \xc3\xa4\r\nempty:\r\n\r\n"[..]);
    let head = HeadReader::new(false).read(&mut buffer).unwrap().unwrap();
    assert_eq!(head.fields.get("x"), Some(&b"\xc3\xa4"[..]));
    assert_eq!(head.fields.get("empty"), Some(&b""[..]));
}
