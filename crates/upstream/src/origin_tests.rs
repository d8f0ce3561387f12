use super::*;

#[test]
fn splits_a_base_url() {
    let (origin, path) = Origin::split("https://api.example.com/v1/").unwrap();
    assert_eq!(
        (origin.scheme, origin.to_string(), path.as_str()),
        (Scheme::Https, "api.example.com".to_owned(), "/v1")
    );
    let (origin, path) = Origin::split("http://[::1]:8080").unwrap();
    assert_eq!(
        (&*origin.host, origin.port, origin.to_string(), path.as_str()),
        ("::1", 8080, "[::1]:8080".to_owned(), "")
    );
}

#[test]
fn says_what_is_wrong_with_a_url() {
    for (url, error) in [
        ("api.example.com", ParseOriginError::NotUrl),
        ("ftp://a/", ParseOriginError::Scheme),
        ("https://u:p@a/", ParseOriginError::Extra),
        ("https://a/?x=1", ParseOriginError::Extra),
        ("https://a/#f", ParseOriginError::Extra),
        ("", ParseOriginError::NotUrl),
    ] {
        assert_eq!(Origin::split(url).unwrap_err(), error, "{url}");
    }
}
