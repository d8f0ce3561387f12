use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn any_cut_of_two_members_gives_the_same_text() {
    let packed = [gzip(b"data: {\"a\":1}\n\n"), gzip(b"data: [DONE]\n\n")].concat();
    for cut in 1..packed.len() {
        let mut inflate = Inflate::new(1 << 20);
        let mut text = Vec::new();
        for piece in packed.chunks(cut) {
            text.extend_from_slice(&inflate.push(piece).unwrap());
        }
        text.extend_from_slice(&inflate.finish().unwrap());
        assert_eq!(text, b"data: {\"a\":1}\n\ndata: [DONE]\n\n", "cut at {cut}");
    }
}

#[test]
fn a_bomb_is_refused() {
    let packed = gzip(&vec![b'a'; 1 << 20]);
    assert!(Inflate::new(1 << 16).push(&packed).is_err());
}

#[test]
fn a_cut_stream_is_an_error() {
    let packed = gzip(b"hello");
    let mut inflate = Inflate::new(1 << 16);
    inflate.push(&packed[..packed.len() - 4]).unwrap();
    assert!(inflate.finish().is_err());
}
