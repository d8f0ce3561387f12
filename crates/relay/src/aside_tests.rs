use super::*;

fn bounds(calls: u64, bytes: u64) -> Bounds {
    Bounds { calls, bytes, ..Bounds::default() }
}

#[test]
fn who_waits_is_counted_until_it_no_longer_does() {
    let aside = Aside::new(Bounds::default());
    let first = aside.enter(Nanos(1_000_000_000), Priority::High, 7, 100).unwrap();
    let second = aside.enter(Nanos(3_000_000_000), Priority::High, 7, 50).unwrap();
    let now = Nanos(4_000_000_000);
    let told = |waiting, oldest| OfClass { waiting, oldest: Duration::from_secs(oldest), shed: 0 };
    assert_eq!((aside.of_class(now, Priority::High), aside.of_flow(7), aside.bytes()), (told(2, 3), 2, 150));
    assert_eq!(aside.of_class(now, Priority::Low), OfClass::default());
    drop(first);
    assert_eq!((aside.of_class(now, Priority::High), aside.of_flow(7), aside.bytes()), (told(1, 1), 1, 50));
    drop(second);
    aside.shed(Priority::High);
    assert_eq!(aside.of_class(now, Priority::High), OfClass { shed: 1, ..OfClass::default() });
    assert_eq!((aside.of_flow(7), aside.bytes()), (0, 0));
}

#[test]
fn neither_more_calls_nor_more_bytes_wait_than_may() {
    let aside = Aside::new(bounds(2, 1000));
    let enter = |bytes| aside.enter(Nanos(1), Priority::Normal, 1, bytes);
    assert!(enter(1001).is_none());
    let one = enter(600).unwrap();
    assert!(enter(401).is_none());
    let two = enter(400).unwrap();
    assert!(enter(0).is_none());
    drop((one, two));
    aside.reconfigure(bounds(2, 10));
    assert!(enter(11).is_none() && enter(10).is_some());
}
