use super::*;
use sluicegate_config::ProviderKind;

#[test]
fn each_kind_has_a_path_for_whatever_it_speaks() {
    for kind in ProviderKind::ALL {
        let configured = Configured { base_url: Some("https://x".to_owned()), ..Configured::new("p", kind) };
        let provider = provider("p", &configured, &Simulators::default()).unwrap();
        let spoken: Vec<_> = Endpoint::ALL.into_iter().filter(|it| provider.speaks.contains(*it)).collect();
        assert!(!spoken.is_empty(), "{kind:?}");
        for endpoint in spoken {
            assert!(provider.path(endpoint, "m").is_some(), "{kind:?} {endpoint:?}");
        }
    }
}

#[test]
fn what_the_file_says_of_connections_holds_for_the_pool() {
    let mut configured = Configured::new("p", ProviderKind::OpenAi);
    // What the file's layer takes for granted is what the pool does.
    assert_eq!(settings(&configured), Settings::default());
    configured.connections = Connections {
        max_connections: Some(7),
        wait_timeout: Period::from_secs(2),
        max_idle: 3,
        max_streams: 4,
        http2: UseHttp2::Always,
        idle_timeout: Period::from_secs(5),
        max_age: Period::from_secs(6),
        ..Connections::default()
    };
    let expected = Settings {
        http2: Http2::Always,
        connect_timeout: Settings::default().connect_timeout,
        total_timeout: None,
        max_connections: NonZeroUsize::new(7),
        wait_timeout: Duration::from_secs(2),
        max_idle: 3,
        idle_timeout: Duration::from_secs(5),
        max_age: Duration::from_secs(6),
        max_streams: 4,
    };
    assert_eq!(settings(&configured), expected);
}
