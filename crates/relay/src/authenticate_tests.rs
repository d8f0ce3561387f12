use super::*;

fn parts(headers: &[(&str, &str)], uri: &str) -> Parts {
    let mut request = http::Request::post(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

#[test]
fn a_key_is_found_wherever_a_client_puts_it() {
    for (headers, uri) in [
        (vec![("authorization", "Bearer k")], "/"),
        (vec![("authorization", "  bearer k ")], "/"),
        (vec![("authorization", "k")], "/"),
        (vec![("x-api-key", " k")], "/"),
        (vec![("x-goog-api-key", "k ")], "/"),
        (vec![("api-key", "k")], "/"),
        (vec![], "/v1beta/models/m:generateContent?alt=sse&key=k"),
    ] {
        assert_eq!(presented(&parts(&headers, uri)).collect::<Vec<_>>(), ["k"], "{headers:?} {uri}");
    }
    assert_eq!(presented(&parts(&[], "/?monkey=k")).next(), None);
}

#[test]
fn a_web_page_from_elsewhere_is_refused_where_no_key_is_needed() {
    for ok in [
        vec![("host", "127.0.0.1:8080")],
        vec![("host", "localhost")],
        vec![("host", "[::1]:8080")],
        vec![("host", "127.0.0.1"), ("origin", "http://localhost:3000")],
    ] {
        assert_eq!(same_machine(&parts(&ok, "/")), Ok(()), "{ok:?}");
    }
    for bad in [
        vec![],
        vec![("host", "evil.example")],
        vec![("host", "127.0.0.1.evil.example")],
        vec![("host", "127.0.0.1"), ("origin", "https://evil.example")],
        vec![("host", "127.0.0.1"), ("origin", "null")],
        vec![("host", "127.0.0.1"), ("origin", "https://localhost.evil.example")],
        vec![("host", "127.0.0.1"), ("sec-fetch-site", "cross-site")],
    ] {
        assert!(same_machine(&parts(&bad, "/")).is_err(), "{bad:?}");
    }
}
