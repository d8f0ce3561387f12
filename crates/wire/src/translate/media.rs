//! Media as the formats spell them: data URLs, file endings, kinds of MIME type.
//!
//! One reading of a data URL serves every format, so that a picture is refused or carried for the same reasons
//! whoever sent it.

use super::neutral::{Media, Part};
use super::notes::{bad_request, unsupported};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sluicegate_vocabulary::Fault;

/// Standard base64 whose padding may be missing, as clients send it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A medium from an address: a data URL becomes its bytes, anything else stays an address.
///
/// # Errors
/// `BadRequest` at `path` for a data URL that is not base64.
pub fn from_url(url: &str, path: &str) -> Result<Media, Fault> {
    let Some((scheme, rest)) = url.split_once(':') else {
        return Ok(Media::Url { url: url.to_owned(), mime: None });
    };
    if !scheme.eq_ignore_ascii_case("data") {
        return Ok(Media::Url { url: url.to_owned(), mime: None });
    }
    let (head, data) = rest
        .split_once(',')
        .ok_or_else(|| bad_request(path.to_owned(), format!("`{path}` is a data URL without a comma")))?;
    let mut words = head.split(';');
    let mime = words.next().unwrap_or_default();
    if !words.any(|word| word.trim().eq_ignore_ascii_case("base64")) {
        return Err(bad_request(path.to_owned(), format!("`{path}` is a data URL that is not base64")));
    }
    base64(mime, data, path)
}

/// A medium from base64 text.
///
/// # Errors
/// `BadRequest` at `path` when the text is not standard base64.
pub fn base64(mime: &str, data: &str, path: &str) -> Result<Media, Fault> {
    let mut data = data.to_owned();
    if data.contains(['\n', '\r', ' ', '\t']) {
        data.retain(|c| !c.is_ascii_whitespace());
    }
    if !is_base64(&data) {
        return Err(bad_request(path.to_owned(), format!("`{path}` does not hold valid base64")));
    }
    Ok(Media::Base64 { mime: bare_mime(mime), data })
}

/// The MIME type without parameters, lower case.
#[must_use]
pub fn bare_mime(mime: &str) -> String {
    let mime = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // What people write, and what it is called.
    if mime == "image/jpg" { "image/jpeg".to_owned() } else { mime }
}

/// The data URL of base64 bytes.
#[must_use]
pub fn data_url(mime: &str, data: &str) -> String {
    format!("data:{mime};base64,{data}")
}

/// The part that a medium of this MIME type is. Text in base64 becomes text.
///
/// # Errors
/// `Unsupported` at `path` for video, which no other format holds.
pub fn part(source: Media, mime: &str, name: Option<String>, path: &str) -> Result<Part, Fault> {
    let mime = bare_mime(mime);
    match mime.split('/').next() {
        Some("image") => Ok(Part::Image { source, detail: None }),
        Some("audio") => Ok(Part::Audio { source }),
        Some("video") => Err(unsupported(
            path.to_owned(),
            format!("`{path}` is {mime}; only a Gemini provider takes video, and the chosen one speaks another format"),
        )),
        Some("text") => Ok(Part::Document { source: decode_text(source), name }),
        _ => Ok(Part::Document { source, name }),
    }
}

/// Base64 that holds UTF-8 text as that text; anything else as it is.
#[must_use]
pub fn decode_text(source: Media) -> Media {
    let Media::Base64 { data, .. } = &source else { return source };
    match LENIENT.decode(data).map(String::from_utf8) {
        Ok(Ok(text)) => Media::Text(text),
        _ => source,
    }
}

/// The MIME type of a sound by OpenAI's short name of its format.
#[must_use]
pub fn audio_mime(format: &str) -> String {
    match format {
        "mp3" => "audio/mpeg".to_owned(),
        other => format!("audio/{}", other.to_ascii_lowercase()),
    }
}

/// Whether the text is base64, checked in small pieces so that megabytes need no second copy.
fn is_base64(data: &str) -> bool {
    let mut scratch = [0_u8; 3 * 256];
    let mut chunks = data.as_bytes().chunks(4 * 256).peekable();
    while let Some(chunk) = chunks.next() {
        let padded_inside = chunks.peek().is_some() && chunk.last() == Some(&b'=');
        if padded_inside || LENIENT.decode_slice(chunk, &mut scratch).is_err() {
            return false;
        }
    }
    true
}

#[cfg(test)]
#[path = "media_tests.rs"]
mod tests;
