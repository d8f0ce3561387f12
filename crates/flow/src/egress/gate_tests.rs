//! The word's packing, and every interleaving of its changes by a model checker.

use super::*;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::thread;

const NOW: Nanos = Nanos(1 << 40);
const LATER: Nanos = Nanos(1 << 41);

#[test]
fn the_word_keeps_what_was_put_in() {
    for phase in [Phase::Closed, Phase::Open, Phase::HalfOpen] {
        for (probes, period, until) in [(0, 0, 0), (1, 1, 1), (MOST_PROBES, PERIOD_MASK as u16, LATEST)] {
            for on_rate in [false, true] {
                let view = View { phase, on_rate, probes, period, until };
                assert_eq!(View::unpacked(view.packed()), view);
            }
        }
    }
}

fn is_probe(answer: Answer) -> bool {
    matches!(answer, Answer::Probe { .. })
}

#[test]
fn of_callers_at_once_one_becomes_the_probe() {
    loom::model(|| {
        let gate = Arc::new(Gate::<AtomicU64>::new());
        gate.open(Nanos(0), false);
        let others: Vec<_> = (0..2)
            .map(|_| {
                let gate = Arc::clone(&gate);
                thread::spawn(move || is_probe(gate.ask(NOW, 1, LATER)))
            })
            .collect();
        let mine = is_probe(gate.ask(NOW, 1, LATER));
        let probes = others.into_iter().map(|other| other.join().unwrap()).chain([mine]).filter(|&went| went).count();
        assert_eq!((probes, gate.view().probes), (1, 1));
    });
}

#[test]
fn a_probe_given_back_makes_room_for_exactly_one() {
    loom::model(|| {
        let gate = Arc::new(Gate::<AtomicU64>::new());
        gate.open(Nanos(0), false);
        let Answer::Probe { period, .. } = gate.ask(NOW, 1, LATER) else { panic!("the first becomes the probe") };
        let others: Vec<_> = (0..2)
            .map(|_| {
                let gate = Arc::clone(&gate);
                thread::spawn(move || is_probe(gate.ask(NOW, 1, LATER)))
            })
            .collect();
        gate.give_back(period);
        let went = others.into_iter().map(|other| other.join().unwrap()).filter(|&went| went).count();
        assert!(went <= 1);
        assert_eq!(gate.view().probes as usize, went);
    });
}

#[test]
fn a_probe_of_an_earlier_period_gives_nothing_back() {
    loom::model(|| {
        let gate = Arc::new(Gate::<AtomicU64>::new());
        gate.open(Nanos(0), false);
        let Answer::Probe { period, .. } = gate.ask(NOW, 1, LATER) else { panic!("the first becomes the probe") };
        let opening = Arc::clone(&gate);
        let opened = thread::spawn(move || {
            opening.open(Nanos(0), false);
            is_probe(opening.ask(NOW, 1, LATER))
        });
        gate.give_back(period);
        assert!(opened.join().unwrap());
        assert_eq!(gate.view().probes, 1);
    });
}
