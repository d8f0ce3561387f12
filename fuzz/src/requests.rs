//! The check of a request's head and body as they come from a client: any bytes in, no panic out, and any cut of the
//! same bytes is the same requests, one behind the other.
//!
//! The first byte of an input says where the bytes are cut.

use bytes::{Buf, BytesMut};
use sluicegate_relay::http1::{Framing, HeadReader};
use sluicegate_upstream::http1::{Decoder, Framing as Frames};

/// The largest head, in bytes.
const MOST: usize = 4 << 10;

/// One request, as far as it was there.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    line: String,
    fields: Vec<(String, Vec<u8>)>,
    keeps: bool,
    body: Vec<u8>,
    whole: bool,
}

/// Reads requests until one cannot be believed; then the connection would end.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Asked>, Option<String>) {
    let mut asked: Vec<Asked> = Vec::new();
    let (mut buffer, mut reader, mut body) = (BytesMut::new(), HeadReader::new(MOST), None::<Decoder>);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            if let (Some(decoder), Some(last)) = (&mut body, asked.last_mut()) {
                let decoded = decoder.decode(&mut buffer);
                last.body.extend_from_slice(&buffer[decoded.data]);
                buffer.advance(decoded.used);
                if decoder.check().is_err() {
                    return (asked, Some("malformed body".to_owned()));
                }
                last.whole = decoder.is_done();
                if !last.whole {
                    break;
                }
                body = None;
            }
            let head = match reader.read(&mut buffer) {
                Ok(Some(head)) => head,
                Ok(None) => break,
                Err(error) => return (asked, Some(error.to_string())),
            };
            let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
                (name.as_str().to_owned(), value.as_bytes().to_vec())
            };
            let fields = head.parts.headers.iter().map(field).collect();
            let line = format!("{} {}", head.parts.method, head.parts.uri);
            asked.push(Asked { line, fields, keeps: head.keeps, body: Vec::new(), whole: false });
            let frames = match head.framing {
                Ok(Framing::Length(length)) => Frames::Length(length),
                Ok(Framing::Chunked) => Frames::Chunked,
                Err(why) => return (asked, Some(why.to_owned())),
            };
            reader = HeadReader::new(MOST);
            body = Some(Decoder::new(frames));
        }
    }
    // What is wrong with half a head may show only at its end, so it gets one.
    if body.is_none() {
        buffer.extend_from_slice(b"\r\n\r\n");
        return match reader.read(&mut buffer) {
            Ok(_) => (asked, None),
            Err(error) => (asked, Some(error.to_string())),
        };
    }
    (asked, None)
}

/// Any cut of the same bytes gives the same requests.
pub fn request(data: &[u8]) {
    let [cut, bytes @ ..] = data else { return };
    let whole = read(std::iter::once(bytes));
    let cut = read(bytes.chunks(usize::from(*cut).max(1)));
    assert_eq!((cut.0.len(), cut.1.is_some()), (whole.0.len(), whole.1.is_some()), "{cut:?} {whole:?}");
    // Of a body whose framing turns out malformed, what came before the fault may be more or less.
    for (cut, whole) in cut.0.iter().zip(&whole.0) {
        assert_eq!((&cut.line, &cut.fields, cut.keeps), (&whole.line, &whole.fields, whole.keeps));
        assert_eq!(cut.whole, whole.whole);
        assert!(cut.body == whole.body || !whole.whole);
    }
    // A body with two ends is never read on.
    for asked in &whole.0 {
        let named = |name: &str| asked.fields.iter().filter(|(field, _)| field == name).count();
        let both = named("transfer-encoding") > 0 && named("content-length") > 0;
        assert!(!both || (asked.body.is_empty() && !asked.whole), "{asked:?}");
        assert!(named("transfer-encoding") < 2 || !asked.whole, "{asked:?}");
    }
}
