use super::*;

#[test]
fn a_data_url_gives_its_type_without_parameters_and_its_bytes() {
    let media = from_url("data:image/PNG;charset=utf-8;base64,iVBORw0KGgo=", "x").unwrap();
    assert_eq!(media, Media::Base64 { mime: "image/png".into(), data: "iVBORw0KGgo=".into() });
}

#[test]
fn another_address_stays_an_address() {
    for url in ["https://a.example/x.png", "gs://bucket/x", "no scheme"] {
        assert_eq!(from_url(url, "x").unwrap(), Media::Url { url: url.into(), mime: None });
    }
}

#[test]
fn what_is_not_base64_is_refused_at_its_path() {
    for url in ["data:image/png;base64,a?b", "data:image/png,abc", "data:image/png;base64", "data:;base64,ab=c"] {
        let fault = from_url(url, "messages[0].content[1]").unwrap_err();
        assert_eq!(fault.param.as_deref(), Some("messages[0].content[1]"), "{url}");
    }
}

#[test]
fn base64_is_checked_in_its_last_piece_too() {
    let long = "QUJD".repeat(1000);
    assert!(base64("image/png", &long, "x").is_ok());
    assert!(base64("image/png", &format!("{long}Q"), "x").is_err());
    assert!(base64("image/png", &format!("{long}Q==="), "x").is_err());
    assert!(base64("image/png", &format!("QQ=={long}"), "x").is_err());
    assert!(base64("image/png", &format!("{}QQ=={long}", "QUJD".repeat(255)), "x").is_err());
}

#[test]
fn line_breaks_in_base64_are_taken_out() {
    let media = base64("application/pdf", "JVBE\r\nRi0=\n", "x").unwrap();
    assert_eq!(media, Media::Base64 { mime: "application/pdf".into(), data: "JVBERi0=".into() });
}

#[test]
fn the_kind_of_part_follows_the_type() {
    let bytes = |mime: &str| base64(mime, "aGk=", "x").unwrap();
    let kind = |mime: &str| part(bytes(mime), mime, None, "x");
    assert!(matches!(kind("image/heic"), Ok(Part::Image { .. })));
    assert!(matches!(kind("audio/wav"), Ok(Part::Audio { .. })));
    assert!(matches!(kind("application/pdf"), Ok(Part::Document { source: Media::Base64 { .. }, .. })));
    assert!(matches!(kind("text/csv; charset=utf-8"), Ok(Part::Document { source: Media::Text(t), .. }) if t == "hi"));
    assert!(kind("video/mp4").is_err());
}
