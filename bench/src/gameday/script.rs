//! What happens on a game day, and when.
//!
//! A scene is a fault that comes and goes at some providers. The times are those of the long day; the short one plays a
//! few of the scenes, in a tenth of the time.

use std::time::Duration;

use sluicegate_simulate::Rule;

/// The providers, by their place in [`PROVIDERS`].
pub(crate) const A: usize = 0;
pub(crate) const B: usize = 1;
pub(crate) const C: usize = 2;

/// Names, and how many keys each has.
pub(crate) const PROVIDERS: [(&str, usize); 3] = [("a", 3), ("b", 2), ("c", 2)];

/// What is wrong with a provider.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Nobody listens any more, and every connection is closed.
    Dead,
    /// It does as these rules say.
    Does(Vec<Rule>),
}

/// A fault that comes and goes.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) begins: Duration,
    pub(crate) lasts: Duration,
    pub(crate) at: Vec<usize>,
    pub(crate) fault: Fault,
    /// Nobody is left who could answer: errors are no one's fault, but what follows is judged.
    pub(crate) nobody_left: bool,
    /// The calls come back to where they went once it is over.
    pub(crate) returns: bool,
}

impl Scene {
    pub(crate) fn ends(&self) -> Duration {
        self.begins + self.lasts
    }
}

/// The key with this number at a provider.
pub(crate) fn key(provider: usize, number: usize) -> String {
    format!("sk-{}-{number}", PROVIDERS.get(provider).map_or("x", |(name, _)| name))
}

/// How long the day is, and what happens on it.
pub(crate) fn day(short: bool) -> (Duration, Vec<Scene>) {
    let s = Duration::from_secs;
    let scene = |name, begins, lasts, at: &[usize], fault| Scene {
        name,
        begins,
        lasts,
        at: at.to_vec(),
        fault,
        nobody_left: false,
        returns: true,
    };
    let does = |orders: &str, share: f64| Fault::Does(vec![Rule::always(orders).for_share(share)]);
    if short {
        let scenes = vec![
            scene("a dies", s(3), s(4), &[A], Fault::Dead),
            scene("b answers 500 to half", s(13), s(3), &[B], does("[[sim:status=500]]", 0.5)),
        ];
        return (s(32), scenes);
    }
    let refused = Rule::always("[[sim:bad-key]]").for_keys(&key(A, 0));
    let spent = Rule::always("[[sim:throttle=billing]]").for_keys(&key(A, 1));
    let slow = "[[sim:slow-headers=3s]]";
    let throttled = "[[sim:status=429]][[sim:retry-after=1s]]";
    // Between them is as long as the one before takes to be over.
    let mut scenes = vec![
        scene("a dies", s(15), s(15), &[A], Fault::Dead),
        scene("a answers late", s(70), s(10), &[A], does(slow, 1.0)),
        scene("a throttles half", s(115), s(10), &[A], does(throttled, 0.5)),
        // No breaker opens at this, so it is for the retries to mend, and they are a tenth of the calls.
        scene("b is overloaded by a fifth", s(145), s(10), &[B], does("[[sim:throttle=overloaded]]", 0.2)),
        scene("a key of a is refused", s(165), s(10), &[A], Fault::Does(vec![refused])),
        scene("a resets one in three", s(185), s(10), &[A], does("[[sim:reset]]", 0.33)),
        scene("a key of a has no money left", s(205), s(3), &[A], Fault::Does(vec![spent])),
        scene("a and b die", s(225), s(10), &[A, B], Fault::Dead),
        scene("all die", s(270), s(8), &[A, B, C], Fault::Dead),
    ];
    for scene in &mut scenes {
        scene.nobody_left = scene.name == "all die";
        // A key without money is asked again after ten minutes, and others have its calls until then.
        scene.returns = !scene.name.contains("money");
    }
    (s(300), scenes)
}
