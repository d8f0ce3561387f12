use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn charge<'a>(numbers: &[u64], words: &'a [String]) -> Charged<'a> {
    let at = |index: usize| numbers.get(index).copied().unwrap_or(7);
    let line = Line { class: Class::WebSearch, quantity: at(0), unit: at(1) };
    Charged {
        attempt: 3,
        provider: words.first().map_or("", String::as_str),
        upstream: "m",
        usage: Usage { input: at(2), output_audio: at(3), source: UsageSource::Counted, ..Usage::default() },
        cost: (at(4) % 2 == 0).then(|| Money::from_nanos(at(5).cast_signed())),
        billed: Money::from_nanos(at(6).cast_signed()),
        price: PriceVersion(at(7)),
        multiplier: Multiplier::from_millionths(9),
        lines: vec![line, line].into(),
    }
}

proptest! {
    #[test]
    fn a_record_is_read_as_it_was_written(numbers in vec(any::<u64>(), 8), words in vec(".{0,20}", 3), flags: [bool; 2]) {
        let (mut bytes, mut other) = (Vec::new(), Vec::new());
        let repeat = flags[0].then(|| Repeated { key: u128::from(numbers[5]) << 31, request: numbers[7] });
        let owner = Owner { tenant: &words[0], key: &words[1], account: &words[2], model: "m", label: "" };
        let ended = Ended {
            call: numbers[0],
            at_ms: numbers[1].cast_signed(),
            owner,
            request_id: "req",
            end: EndReason::Truncated,
            status: 502,
            stream: flags[0],
            cache_hit: flags[1],
            attempts: 2,
            queued_us: numbers[2],
            first_us: numbers[3],
            total_us: numbers[4],
            charges: SmallVec::from_elem(charge(&numbers, &words), 2),
            saved: Money::from_nanos((numbers[6] % 3).cast_signed()),
            repeat,
        };
        let intent = Intent {
            call: numbers[0],
            attempt: 1,
            at_ms: numbers[1].cast_signed(),
            owner,
            request_id: "req",
            provider: "p",
            upstream: "u",
            held: Money::from_nanos(numbers[5].cast_signed()),
            expected: Money::from_nanos(-1),
            price: PriceVersion(numbers[6]),
            repeat,
        };
        ended.write(&mut bytes);
        prop_assert_eq!(Record::read(&bytes), Ok(Record::Ended(ended.clone())));
        prop_assert_eq!(intent_of(&bytes), None);
        for cut in 0..bytes.len() {
            prop_assert!(Record::read(&bytes[..cut]).is_err());
        }
        intent.write(&mut other);
        prop_assert_eq!(Record::read(&other), Ok(Record::Intent(intent)));
        prop_assert_eq!(intent_of(&other), Some((intent.call, intent.attempt)));
    }

    #[test]
    fn no_bytes_are_too_odd(bytes: Vec<u8>, kind in 0..6_u8) {
        let _ = Record::read(&bytes);
        let _ = Record::read(&[&[kind], &bytes[..]].concat());
        let _ = intent_of(&bytes);
    }
}
