use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

/// A resolver that counts its questions and answers with the addresses that the count leads to.
fn counting(answers: impl Fn(usize) -> Vec<&'static str> + Send + Sync + 'static) -> (Resolver, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let resolver = Resolver::new(move |_| {
        let addresses = answers(counter.fetch_add(1, Ordering::Relaxed));
        async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if addresses.is_empty() {
                return Err(io::Error::other("no such name"));
            }
            Ok(addresses.iter().map(|address| address.parse().unwrap()).collect())
        }
    });
    (resolver, asked)
}

async fn order(resolver: &Resolver) -> Vec<String> {
    let addresses = resolver.addresses("host", 1).await.unwrap();
    addresses.iter().map(|address| address.ip().to_string()).collect()
}

#[tokio::test]
async fn a_burst_is_one_question() {
    let (resolver, asked) = counting(|_| vec!["::1", "127.0.0.1"]);
    let (a, b, c) = tokio::join!(order(&resolver), order(&resolver), order(&resolver));
    assert!(a == b && b == c && a == ["::1", "127.0.0.1"], "{a:?} {b:?} {c:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_answer_is_good_for_seconds_only() {
    let (resolver, asked) = counting(|count| if count == 0 { vec!["127.0.0.1"] } else { vec!["127.0.0.2"] });
    assert_eq!(order(&resolver).await, ["127.0.0.1"]);
    assert_eq!(order(&resolver).await, ["127.0.0.1"]);
    resolver.names.lock().values_mut().for_each(|name| {
        let answer = name.0.borrow().clone().map(|(at, answer)| (at.checked_sub(FRESH).unwrap(), answer));
        *name = Name(watch::channel(answer).1);
    });
    assert_eq!(order(&resolver).await, ["127.0.0.2"]);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_failure_is_told_to_those_who_wait_and_to_nobody_later() {
    let (resolver, asked) = counting(|count| if count == 0 { vec![] } else { vec!["127.0.0.1"] });
    let (a, b) = tokio::join!(resolver.addresses("host", 1), resolver.addresses("host", 1));
    assert!(a.is_err() && b.is_err());
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert_eq!(order(&resolver).await, ["127.0.0.1"]);
}

#[tokio::test]
async fn whoever_leaves_while_asking_leaves_the_answer_to_the_next() {
    let (resolver, asked) = counting(|_| vec!["127.0.0.1"]);
    let mut leaving = Box::pin(resolver.addresses("host", 1));
    assert!(leaving.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(leaving);
    assert_eq!(order(&resolver).await, ["127.0.0.1"]);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "the look-up went on");
}

#[tokio::test]
async fn nothing_reached_means_asking_again() {
    let (resolver, asked) = counting(|_| vec!["127.0.0.1"]);
    order(&resolver).await;
    resolver.forget("host");
    order(&resolver).await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_address_that_failed_is_tried_last_until_it_is_good_again() {
    let (resolver, _) = counting(|_| vec!["::1", "::2", "127.0.0.1"]);
    let at = |address: &str| SocketAddr::new(address.parse().unwrap(), 1);
    resolver.note(None, &[at("::1")]);
    assert_eq!(order(&resolver).await, ["127.0.0.1", "::2", "::1"]);
    resolver.note(Some(at("::1")), &[]);
    assert_eq!(order(&resolver).await, ["::1", "127.0.0.1", "::2"]);
}

#[tokio::test]
async fn an_address_is_not_looked_up() {
    let (resolver, asked) = counting(|_| vec![]);
    for host in ["127.0.0.1", "::1"] {
        assert_eq!(resolver.addresses(host, 7).await.unwrap(), [SocketAddr::new(host.parse().unwrap(), 7)]);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let (resolver, _) = counting(|_| vec!["127.0.0.1"]);
    for index in 0..MOST + 10 {
        resolver.name(&format!("host-{index}"));
    }
    assert_eq!(resolver.names.lock().len(), MOST);
    let addresses: Vec<_> = (0..2000).map(|port| SocketAddr::new("::1".parse().unwrap(), port)).collect();
    resolver.note(None, &addresses);
    assert_eq!(resolver.failed.lock().len(), MOST);
}

#[test]
fn families_alternate_from_the_preferred_one() {
    let order = |addresses: &[&str]| {
        let parsed = addresses.iter().map(|address| format!("{address}:1").parse().unwrap());
        alternating(parsed).iter().map(|address| address.ip().to_string()).collect::<Vec<_>>()
    };
    let six = ["[::1]", "[::2]", "[::3]"];
    let four = ["1.0.0.1", "1.0.0.2"];
    assert_eq!(order(&[&six[..], &four].concat()), ["::1", "1.0.0.1", "::2", "1.0.0.2", "::3"]);
    assert_eq!(order(&[&four[..], &six].concat()), ["1.0.0.1", "::1", "1.0.0.2", "::2", "::3"]);
    assert_eq!(order(&four), ["1.0.0.1", "1.0.0.2"]);
    assert!(order(&[]).is_empty());
}
