use super::*;

#[test]
fn what_is_drawn_is_seen() {
    let png = stripes(Digest::new(7));
    assert_eq!(size(&png), Some((16, 16)));
    let url = format!("data:image/png;charset=utf-8;base64,{}", STANDARD.encode(&png));
    let seen = Picture::from_url(&url).unwrap();
    assert_eq!(seen.describe(), format!("image/png, 16x16, {} bytes", png.len()));
    assert_ne!(png, stripes(Digest::new(8)));
}

#[test]
fn sizes_are_read_from_the_first_bytes() {
    assert_eq!(size(b"GIF89a\x03\x00\x05\x00"), Some((3, 5)));
    let jpeg = b"\xff\xd8\xff\xe0\x00\x04\x00\x00\xff\xc0\x00\x11\x08\x00\x20\x00\x40";
    assert_eq!(size(jpeg), Some((64, 32)));
    let mut webp = b"RIFF\0\0\0\0WEBPVP8X".to_vec();
    webp.extend_from_slice(&[0; 8]);
    webp.extend_from_slice(&[9, 0, 0, 4, 0, 0]);
    assert_eq!(size(&webp), Some((10, 5)));
    for broken in [&b"\x89PNG\r\n\x1a\n"[..], b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\xff\xff", b"", b"BM"] {
        assert_eq!(size(broken), None);
    }
}
