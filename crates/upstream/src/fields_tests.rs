use super::*;
use crate::http1::HeadReader;
use bytes::BytesMut;
use http::header::CONTENT_TYPE;
use proptest::prelude::*;

fn read(text: &str) -> Fields {
    HeadReader::new(false).read(&mut BytesMut::from(text)).unwrap().unwrap().fields
}

fn both() -> [Fields; 2] {
    let lines = read("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nx-two: 1\r\nX-TWO: 2\r\nempty:\r\n\r\n");
    let mut map = HeaderMap::new();
    map.insert(CONTENT_TYPE, HeaderValue::from_static("a/b"));
    map.append("x-two", HeaderValue::from_static("1"));
    map.append("x-two", HeaderValue::from_static("2"));
    map.insert("empty", HeaderValue::from_static(""));
    [lines, map.into()]
}

#[test]
fn a_field_is_found_by_its_name_however_it_was_sent() {
    for fields in both() {
        assert_eq!(fields.get("content-type"), Some(&b"a/b"[..]));
        assert_eq!(fields.text("x-two"), Some("1"), "the first");
        assert_eq!(fields.get("empty"), Some(&b""[..]));
        assert_eq!(fields.get("content-typ"), None);
        assert_eq!(fields.value(&CONTENT_TYPE), Some(HeaderValue::from_static("a/b")));
        assert_eq!(fields.iter().count(), 4);
        let two = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"x-two"));
        assert_eq!(two.map(|(_, value)| value).collect::<Vec<_>>(), [b"1", b"2"]);
    }
}

#[test]
fn what_is_no_text_is_bytes_all_the_same() {
    let mut map = HeaderMap::new();
    map.insert("x", HeaderValue::from_bytes(b"\xff").unwrap());
    let fields = Fields::from(map);
    assert_eq!((fields.get("x"), fields.text("x")), (Some(&b"\xff"[..]), None));
}

proptest! {
    #[test]
    fn lines_say_what_a_map_of_them_says(
        sent in prop::collection::vec(("[a-cA-C]{1,2}", "[!-~]([ -~]{0,8}[!-~])?|"), 0..12),
        asked in "[a-c]{1,2}",
    ) {
        let mut map = HeaderMap::new();
        let mut text = "HTTP/1.1 200 OK\r\n".to_owned();
        for (name, value) in &sent {
            text += &format!("{name}: {value}\r\n");
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let (lines, map) = (read(&(text + "\r\n")), Fields::from(map));
        prop_assert_eq!(lines.get(&asked), map.get(&asked));
        let name = asked.parse().unwrap();
        prop_assert_eq!(lines.value(&name), map.value(&name));
        let all = |fields: &Fields| {
            let mut all: Vec<_> =
                fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect();
            all.sort_by(|one, other| one.0.cmp(&other.0));
            all
        };
        prop_assert_eq!(all(&lines), all(&map));
    }
}

#[test]
fn limits_are_told_by_names_that_begin_so_however_they_are_written() {
    for (name, tells) in [
        ("x-ratelimit-remaining-tokens", true),
        ("X-RateLimit-Limit-Requests", true),
        ("Anthropic-Ratelimit-Requests-Reset", true),
        ("x-ratelimit", false),
        ("x-rate-limits-told", false),
        ("x-request-id", false),
        ("anthropic-organization-id", false),
        ("ratelimit-policy", false),
        ("x-", false),
        ("", false),
    ] {
        assert_eq!(tells_limit(name.as_bytes()), tells, "{name}");
    }
}
