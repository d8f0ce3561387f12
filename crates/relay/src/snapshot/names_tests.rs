use super::*;
use crate::providers::{Learned, Providers};
use crate::room::Room;
use sluicegate_config::ProviderKind;
use sluicegate_flow::Bounds;
use sluicegate_ledger::PriceBook;
use sluicegate_upstream::{ProviderSpec, Settings, Speaks, Timeouts};
use sluicegate_vocabulary::Endpoint;
use std::time::Duration;

fn home(name: &str, listed: &[&str]) -> Serving {
    let spec = ProviderSpec {
        name: name.into(),
        kind: ProviderKind::OpenAi,
        base_url: "http://127.0.0.1:1/v1".to_owned(),
        keys: Vec::new(),
        speaks: Speaks::of(&Endpoint::ALL),
        api_version: None,
        headers: Vec::new(),
        timeouts: Timeouts { first_byte: Duration::from_secs(1), stream_idle: Duration::from_secs(1) },
        max_retries: 0,
        stream_usage: true,
        settings: Settings::default(),
        proxy: None,
        ca_file: None,
    };
    let configured = Configured::new(name, ProviderKind::OpenAi);
    let listed = listed.iter().map(|id| ((*id).to_owned(), Listed::default())).collect();
    Serving {
        provider: Arc::new(Provider::new(spec).unwrap()),
        vendor: None,
        listed,
        state: Providers::new(&Room::new(Bounds::default()), Learned::default()).provider(&configured),
        configured,
        apart: BTreeSet::new(),
    }
}

fn names(homes: &[(&str, &[&str])]) -> Names {
    let homes = homes.iter().map(|(name, listed)| home(name, listed)).collect();
    let tariffs = Tariffs::new(&sluicegate_config::Config::default(), PriceBook::bundled()).unwrap();
    Names::new(homes, Arc::new(Table::bundled()), tariffs, &Metrics::new("test"), 0)
}

#[test]
fn a_name_that_nobody_listed_is_resolved_once() {
    for (names, name) in [
        (names(&[("one", &[]), ("two", &[])]), "two/new"),
        (names(&[("one", &["m"]), ("two", &[])]), "one/m"),
        (names(&[("one", &[])]), "default"),
    ] {
        let first = names.resolve(name).unwrap();
        assert!(Arc::ptr_eq(&first, &names.resolve(name).unwrap()), "{name}");
        assert_eq!(&*first.name, name);
    }
}

#[test]
fn what_is_remembered_is_bounded_and_listed_names_always_have_room() {
    let names = names(&[("one", &["m"])]);
    let long = "x".repeat(LONGEST_REMEMBERED + 1);
    assert_eq!(&*names.resolve(&long).unwrap().name, long);
    assert!(names.remembered.read().is_empty());
    for number in 0..MOST_REMEMBERED + 10 {
        names.resolve(&format!("m{number}")).unwrap();
    }
    assert_eq!(names.remembered.read().len(), MOST_REMEMBERED);
    let listed = names.resolve("one/m").unwrap();
    assert!(Arc::ptr_eq(&listed, &names.resolve("one/m").unwrap()));
    assert_eq!(&*names.resolve("late").unwrap().name, "late");
}

#[test]
fn models_of_a_provider_share_its_counters_and_unlisted_names_share_theirs() {
    let names = names(&[("one", &["m"])]);
    let of = |name: &str| names.resolve(name).unwrap();
    let counters = |name: &str| Arc::clone(&of(name).targets[0].candidate.metrics);
    assert!(Arc::ptr_eq(&counters("m"), &counters("one/new")));
    assert!(Arc::ptr_eq(&of("new").metrics, &of("one/newer").metrics));
    assert!(!Arc::ptr_eq(&of("m").metrics, &of("new").metrics));
}
