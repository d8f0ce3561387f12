use super::*;

fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
}

#[test]
fn no_key_of_the_client_reaches_a_provider() {
    for name in ["authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie", "proxy-authorization"] {
        assert_eq!(to_provider(&map(&[(name, "secret")]), None).len(), 1, "{name} passed");
    }
}

#[test]
fn what_belongs_to_one_connection_stays() {
    let out =
        to_provider(&map(&[("connection", "close, X-Mine"), ("x-mine", "1"), ("te", "trailers"), ("host", "a")]), None);
    assert_eq!(out.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept-encoding"]);
}

#[test]
fn what_a_provider_may_need_passes() {
    let sent = [("anthropic-version", "2023-06-01"), ("anthropic-beta", "a"), ("x-title", "t"), ("user-agent", "u")];
    let out = to_provider(&map(&sent), None);
    for (name, value) in sent {
        assert_eq!(out.get(name).unwrap(), value);
    }
    assert_eq!(out.get("accept-encoding").unwrap(), "identity");
}

#[test]
fn a_providers_private_matters_stay() {
    let out =
        to_client(&map(&[("content-type", "a/b"), ("set-cookie", "x"), ("x-ratelimit-limit-requests", "5")]).into());
    assert_eq!(out.len(), 1);
    let out = to_passthrough_client(&map(&[("content-type", "a/b"), ("set-cookie", "x"), ("etag", "1")]).into());
    assert_eq!(out.len(), 2);
}

#[test]
fn a_content_type_of_ours_takes_the_place_of_the_clients() {
    let client = map(&[("content-type", "text/plain"), ("content-type", "text/html"), ("x-own", "1")]);
    let out = to_provider(&client, Some(HeaderValue::from_static("application/json")));
    assert_eq!(out.get_all(CONTENT_TYPE).iter().collect::<Vec<_>>(), ["application/json"]);
    assert_eq!(to_provider(&client, None).get_all(CONTENT_TYPE).iter().count(), 2);
}
