//! The check of the answer's head and body as they come from a provider: any bytes in, no panic out, and any cut of
//! the same bytes is the same answer.
//!
//! The first byte of an input chooses whether `HEAD` was asked, the second where the bytes are cut.

use bytes::BytesMut;
use sluicegate_upstream::http1::{Decoder, HeadReader};

/// What bytes amount to when the connection ends behind them.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
    /// Whether the body ended well before the connection did, at its end, or not at all.
    end: Result<bool, String>,
    /// Bytes behind the answer.
    left: usize,
}

/// Reads an answer from pieces; `None` where there is no whole head.
fn read<'a>(to_head: bool, pieces: impl Iterator<Item = &'a [u8]>) -> Option<Answer> {
    let mut reader = HeadReader::new(to_head);
    let mut buffer = BytesMut::new();
    let mut begun: Option<(Answer, Decoder)> = None;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if begun.is_none() {
            let Some(head) = reader.read(&mut buffer).ok()? else { continue };
            let fields = head.fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            let answer = Answer { status: head.status.as_u16(), fields, body: Vec::new(), end: Ok(false), left: 0 };
            begun = Some((answer, Decoder::new(head.framing)));
        }
        if let Some((answer, decoder)) = &mut begun {
            let decoded = decoder.decode(&mut buffer);
            assert!(decoded.used == buffer.len() || decoder.is_done() || decoder.check().is_err());
            answer.body.extend_from_slice(&buffer[decoded.data]);
            answer.left += buffer.len() - decoded.used;
            buffer.clear();
        }
    }
    let (mut answer, mut decoder) = begun?;
    let early = decoder.is_done();
    answer.end = decoder.end().map(|()| early).map_err(|error| error.to_string());
    Some(answer)
}

/// Any cut of the same bytes gives the same answer.
pub fn answer(data: &[u8]) {
    let (to_head, cut, bytes) = match data {
        [first, second, rest @ ..] => (first & 1 == 1, usize::from(*second).max(1), rest),
        _ => return,
    };
    let whole = read(to_head, std::iter::once(bytes));
    let mut cut = read(to_head, bytes.chunks(cut));
    if let (Some(cut), Some(whole)) = (&mut cut, &whole)
        && whole.end.is_err()
    {
        // What follows the place where an answer is malformed is not looked at.
        cut.left = whole.left;
    }
    assert_eq!(cut, whole);
    if let Some(answer) = whole {
        assert!(answer.body.len() + answer.left <= bytes.len());
    }
}
