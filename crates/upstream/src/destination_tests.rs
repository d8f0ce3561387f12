use super::*;
use std::collections::HashSet;

fn origin(url: &str) -> Origin {
    Origin::split(url).unwrap().0
}

#[expect(clippy::mutable_key_type, reason = "what is found out about a destination is no part of its identity")]
#[test]
fn whatever_makes_a_difference_to_a_connection_makes_another_destination() {
    let proxy = |user| Some(Proxy::new(origin("http://proxy:3128"), user));
    let most = |most| Settings { max_connections: NonZeroUsize::new(most), ..Settings::default() };
    let of = |url, settings, proxy| Destination::new(origin(url), settings, proxy, None);
    let different = || {
        [
            of("https://a", Settings::default(), None),
            of("https://b", Settings::default(), None),
            of("http://a:443", Settings::default(), None),
            of("https://a", most(1), None),
            of("https://a", most(2), None),
            of("https://a", Settings::default(), proxy(None)),
            of("https://a", Settings::default(), proxy(Some("a:b"))),
            of("https://a", Settings::default(), proxy(Some("a:c"))),
        ]
    };
    let set: HashSet<_> = different().into_iter().chain(different()).collect();
    assert_eq!(set.len(), different().len());
}

#[test]
fn clear_text_goes_through_a_proxy_as_it_is_and_the_rest_through_a_tunnel() {
    let proxy = || Some(Proxy::new(origin("http://proxy:3128"), None));
    let of = |url, http2, proxy| Destination::new(origin(url), Settings { http2, ..Settings::default() }, proxy, None);
    assert_eq!(&*of("http://a:81", Http2::Auto, proxy()).forward().unwrap().prefix, "http://a:81");
    assert_eq!(&*of("http://[::1]", Http2::Auto, proxy()).forward().unwrap().prefix, "http://[::1]");
    assert!(of("http://a:81", Http2::Always, proxy()).forward().is_none());
    assert!(of("https://a", Http2::Auto, proxy()).forward().is_none());
    assert!(of("http://a:81", Http2::Auto, None).forward().is_none());
}

#[test]
fn no_time_is_too_long() {
    let settings = Settings { idle_timeout: Duration::MAX, max_age: Duration::MAX, ..Settings::default() };
    let destination = Destination::new(origin("https://a"), settings, None, None);
    assert_eq!(destination.settings().idle_timeout, YEAR);
    assert_eq!(destination.settings().max_age, YEAR);
}
