use super::*;

#[test]
fn who_waits_is_told_until_it_no_longer_does() {
    let aside = Aside::default();
    let first = aside.enter(Nanos(1_000_000_000), Priority::High, 7, 100);
    let second = aside.enter(Nanos(3_000_000_000), Priority::High, 7, 50);
    let now = Nanos(4_000_000_000);
    let told = |waiting, oldest| OfClass { waiting, oldest: Duration::from_secs(oldest), shed: 0 };
    assert_eq!((aside.of_class(now, Priority::High), aside.of_flow(7), aside.bytes()), (told(2, 3), 2, 150));
    assert_eq!(aside.of_class(now, Priority::Low), OfClass::default());
    aside.leave(&first);
    assert_eq!((aside.of_class(now, Priority::High), aside.of_flow(7), aside.bytes()), (told(1, 1), 1, 50));
    aside.leave(&second);
    aside.shed(Priority::High);
    assert_eq!(aside.of_class(now, Priority::High), OfClass { shed: 1, ..OfClass::default() });
    assert_eq!((aside.of_flow(7), aside.bytes()), (0, 0));
}
