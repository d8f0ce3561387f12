//! Pictures, seen and drawn.
//!
//! Seen: as much of one as its first bytes tell, so an answer can say what it was shown and a lost or mangled image
//! is noticed. Drawn: a small PNG of stripes (nobody shall take it for a model's work) whose colours come from the
//! prompt.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, Crc, write::ZlibEncoder};

use crate::seed::Digest;

/// A picture in a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picture {
    /// What it is said to be, such as `image/png`; `None` for a bare URL.
    pub(crate) media_type: Option<String>,
    /// Its bytes, where they came along.
    pub(crate) bytes: Option<usize>,
    /// Width and height, where the bytes tell.
    pub(crate) size: Option<(u32, u32)>,
    pub(crate) digest: u64,
}

impl Picture {
    /// A picture that lies elsewhere.
    pub(crate) fn at(url: &str) -> Self {
        let mut digest = Digest::new(0);
        digest.absorb(url.as_bytes());
        Self { media_type: None, bytes: None, size: None, digest: digest.value() }
    }

    /// A picture that came along in base64; `None` if it is not base64.
    pub(crate) fn inline(media_type: &str, data: &str) -> Option<Self> {
        let raw = STANDARD.decode(data).ok()?;
        let mut digest = Digest::new(0);
        digest.absorb(&raw);
        Some(Self {
            media_type: Some(media_type.to_owned()),
            bytes: Some(raw.len()),
            size: size(&raw),
            digest: digest.value(),
        })
    }

    /// A picture from a `data:` URL or any other.
    pub(crate) fn from_url(url: &str) -> Option<Self> {
        match url.strip_prefix("data:") {
            Some(rest) => {
                let (head, data) = rest.split_once(',')?;
                Self::inline(head.strip_suffix(";base64")?.split(';').next()?, data)
            }
            None => Some(Self::at(url)),
        }
    }

    /// What an answer says about it.
    pub(crate) fn describe(&self) -> String {
        match (&self.media_type, self.bytes, self.size) {
            (Some(kind), Some(bytes), Some((w, h))) => format!("{kind}, {w}x{h}, {bytes} bytes"),
            (Some(kind), Some(bytes), None) => format!("{kind}, {bytes} bytes"),
            (kind, ..) => format!("{} by URL", kind.as_deref().unwrap_or("an image")),
        }
    }
}

/// Width and height of a PNG, GIF, JPEG or WebP.
pub(crate) fn size(raw: &[u8]) -> Option<(u32, u32)> {
    let be16 = |at: usize| Some(u32::from(u16::from_be_bytes(*raw.get(at..)?.first_chunk()?)));
    let le16 = |at: usize| Some(u32::from(u16::from_le_bytes(*raw.get(at..)?.first_chunk()?)));
    let be32 = |at: usize| Some(u32::from_be_bytes(*raw.get(at..)?.first_chunk()?));
    let le24 = |at: usize| Some(le16(at)? | u32::from(*raw.get(at + 2)?) << 16);
    if raw.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some((be32(16)?, be32(20)?));
    }
    if raw.starts_with(b"GIF8") {
        return Some((le16(6)?, le16(8)?));
    }
    if raw.starts_with(b"RIFF") && raw.get(8..12) == Some(b"WEBP") {
        return match raw.get(12..16)? {
            b"VP8X" => Some((le24(24)? + 1, le24(27)? + 1)),
            b"VP8 " => Some((le16(26)? & 0x3fff, le16(28)? & 0x3fff)),
            _ => None,
        };
    }
    if raw.starts_with(b"\xff\xd8") {
        let mut at = 2;
        while *raw.get(at)? == 0xff {
            let marker = *raw.get(at + 1)?;
            if (0xc0..=0xcf).contains(&marker) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
                return Some((be16(at + 7)?, be16(at + 5)?));
            }
            at += 2 + be16(at + 2)? as usize;
        }
    }
    None
}

/// A striped PNG of 16 by 16 points.
pub(crate) fn stripes(digest: Digest) -> Vec<u8> {
    const SIDE: u32 = 16;
    let colour = digest.value().to_le_bytes();
    let (one, two) = ([colour[0], colour[1], colour[2]], [colour[3], colour[4], colour[5]]);
    let mut rows = Vec::new();
    for y in 0..SIDE {
        rows.push(0);
        for x in 0..SIDE {
            rows.extend_from_slice(if (x + y) / 4 % 2 == 0 { &one } else { &two });
        }
    }
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    let packed = packed.write_all(&rows).and_then(|()| packed.finish()).unwrap_or_default();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut head = Vec::new();
    head.extend_from_slice(&SIDE.to_be_bytes());
    head.extend_from_slice(&SIDE.to_be_bytes());
    head.extend_from_slice(&[8, 2, 0, 0, 0]);
    for (name, data) in [(b"IHDR", head), (b"IDAT", packed), (b"IEND", Vec::new())] {
        png.extend_from_slice(&(data.len() as u32).to_be_bytes());
        let mut crc = Crc::new();
        crc.update(name);
        crc.update(&data);
        png.extend_from_slice(name);
        png.extend_from_slice(&data);
        png.extend_from_slice(&crc.sum().to_be_bytes());
    }
    png
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
