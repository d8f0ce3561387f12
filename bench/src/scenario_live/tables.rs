//! What was seen of an evening over real sockets, in tables and held to the bars of the laboratory's.
//!
//! A call belongs to the stretch in which it was due, whenever it was answered. Goodput is counted when the provider
//! saw the call, because that is what its limit is about. A 429 is the provider's where the provider saw the call.
//!
//! The limit is the relay's to keep, at the moment at which it lets a call go, and nobody outside sees that moment. A
//! call that is let go and then has to wait for a processor is seen later, beside others that were let go later. So
//! what the provider counts in a second is shown, and the relay is held to what can be shown of its own doing: a call
//! was let go after it had waited as long as the relay says, and before the provider saw it.

use std::ops::Range;
use std::time::Duration;

use sluicegate_simulate::lab::scenario::{self, Bar};
use sluicegate_simulate::lab::{Spread, text};

use super::load::{Load, Planned, Told};
use crate::flow::provider::Arrival;
use crate::flow::relay::CLASSES;
use crate::flow::window::{self, Event};
use crate::report::Page;

const SECOND: Duration = Duration::from_secs(1);
/// Within this, 99 of 100 refusals are to be told.
const AT_ONCE: Duration = Duration::from_millis(100);

/// An evening that is over, from both its ends.
pub(super) struct Seen<'a> {
    pub(super) plan: &'a [Planned],
    pub(super) load: &'a Load,
    /// What came to the provider, in order of time.
    pub(super) arrivals: Vec<Arrival>,
    pub(super) faster: u32,
    /// Calls in a second.
    pub(super) limit: u64,
}

/// A call from its plan to its end.
struct Fate<'a> {
    planned: &'a Planned,
    told: &'a Told,
    /// When the provider saw it last.
    seen: Option<Duration>,
}

impl Fate<'_> {
    const fn answered(&self) -> bool {
        self.told.status == 200
    }

    fn waited(&self) -> Duration {
        let until_seen = || self.seen.map(|seen| seen.saturating_sub(self.told.sent));
        self.told.queued.or_else(until_seen).unwrap_or_default()
    }

    /// Between which times it was let go: not before it had waited as long as the relay says, and not after the provider
    /// saw it.
    fn let_go(&self) -> Option<Range<Duration>> {
        Some(self.told.sent + self.told.queued.unwrap_or_default()..self.seen?)
    }

    fn told_after(&self) -> Duration {
        self.told.ended.saturating_sub(self.told.sent)
    }
}

/// A part of the evening.
struct Stretch<'a> {
    span: Range<Duration>,
    fates: Vec<&'a Fate<'a>>,
    /// Answered calls that the provider saw in it.
    good: usize,
    /// The most requests that came to the provider in any second of it.
    most: u64,
}

impl Seen<'_> {
    /// Prints the tables of each stretch; returns the bars.
    pub(super) fn tell(&self, control: &str, grain: Duration, page: &mut Page) -> Vec<Bar> {
        let fates = self.fates();
        let events: Vec<Event> = self
            .arrivals
            .iter()
            .map(|arrival| Event { at: arrival.at.saturating_duration_since(self.load.began), amount: 1 })
            .collect();
        let mut from = Duration::ZERO;
        let mut stretches = Vec::new();
        for part in scenario::traffic().parts {
            let span = from..from + part.length / self.faster;
            from = span.end;
            stretches.push(Stretch::of(span, &fates, &events));
        }
        let names = ["an hour at 60 % of the limit with spikes", "ten minutes at 1.5 times the limit"];
        for (name, stretch) in names.into_iter().zip(&stretches) {
            page.say(&format!("\n### {control}: {name}\n\n```"));
            page.say(&self.outcomes(stretch));
            page.say(&classes(stretch));
            page.say("```");
        }
        let let_go: Vec<_> = fates.iter().filter_map(Fate::let_go).collect();
        let surely = window::surely_most(&let_go, SECOND);
        let late = Spread::of(fates.iter().map(|fate| fate.told.sent.saturating_sub(fate.planned.at)).collect());
        page.say(&format!(
            "\n{} attempts came to the provider, by its clock at most {} in any second; the most of \
             which it can be shown that the relay let them go in one second are {surely}. Pauses of the machine blur times by up to \
             {}. Calls were sent {} (half), {} (99 of 100), {} (all) after their time. First error: {}\n{} of the answers \
             say what they have waited; for the others it is the time until the provider saw the call\n",
            text::grouped(events.len() as u64),
            window::most(&events, SECOND).0,
            text::span(grain.as_secs_f64() * 1000.0),
            text::span(late.p50),
            text::span(late.p99),
            text::span(late.max),
            self.load.first_error.as_deref().unwrap_or("none"),
            text::grouped(fates.iter().filter(|fate| fate.told.queued.is_some()).count() as u64),
        ));
        match stretches.as_slice() {
            [spikes, sustained] => self.bars(spikes, sustained, surely),
            _ => Vec::new(),
        }
    }

    fn fates(&self) -> Vec<Fate<'_>> {
        let mut fates: Vec<Fate<'_>> =
            self.plan.iter().zip(&self.load.calls).map(|(planned, told)| Fate { planned, told, seen: None }).collect();
        for arrival in &self.arrivals {
            if let Some(fate) = usize::try_from(arrival.order.number).ok().and_then(|place| fates.get_mut(place)) {
                fate.seen = Some(arrival.at.saturating_duration_since(self.load.began));
            }
        }
        fates
    }

    /// How calls ended.
    fn outcomes(&self, stretch: &Stretch<'_>) -> String {
        let head = "offered,answered,refused,429 ours,429 provider,503,504,other,errors,goodput,most in a second,told \
                    p50,p99,told late";
        let count = |of: &dyn Fn(&Fate<'_>) -> bool| stretch.fates.iter().filter(|fate| of(fate)).count();
        let status = |status: u16| count(&|fate| fate.told.status == status);
        let theirs = count(&|fate| fate.told.status == 429 && fate.seen.is_some());
        let known = [200, 429, 503, 504, 0].map(status);
        let [answered, limited, full, late, errors] = known;
        let told = told(&stretch.fates);
        let row = [
            stretch.fates.len(),
            answered,
            stretch.fates.len() - answered,
            limited - theirs,
            theirs,
            full,
            late,
            stretch.fates.len() - known.iter().sum::<usize>(),
            errors,
        ];
        let mut row: Vec<String> = row.iter().map(|number| text::grouped(*number as u64)).collect();
        row.push(format!("{:.1} %", self.goodput(stretch)));
        row.push(text::grouped(stretch.most));
        row.extend([told.p50, told.p99].map(text::span));
        row.push(text::grouped(count(&|fate| !fate.answered() && fate.told_after() > AT_ONCE) as u64));
        text::table(&[head.split(',').map(str::to_owned).collect(), row])
    }

    /// Answered calls in percent of what the limit allows.
    fn goodput(&self, stretch: &Stretch<'_>) -> f64 {
        100.0 * stretch.good as f64 / (self.limit as f64 * stretch.seconds())
    }

    fn bars(&self, spikes: &Stretch<'_>, sustained: &Stretch<'_>, surely: u64) -> Vec<Bar> {
        let share = |of: f64, stretch: &Stretch<'_>| 100.0 * of / (stretch.fates.len() as f64).max(1.0);
        let refused = |stretch: &Stretch<'_>| stretch.fates.iter().filter(|fate| !fate.answered()).count() as f64;
        // What was kept waiting and answered after the end had room there.
        let after = |fate: &&&Fate<'_>| fate.answered() && fate.seen.is_some_and(|seen| seen >= sustained.span.end);
        let after = sustained.fates.iter().filter(after).count() as f64;
        let excess = sustained.fates.len() as f64 - self.limit as f64 * sustained.seconds() - after;
        let by_class: Vec<f64> = (0..CLASSES.len()).map(|class| refused_share(&sustained.of_class(class))).collect();
        let out_of_order = by_class.windows(2).filter(|pair| pair.first() > pair.last()).count();
        let bar = |what, measured, bar, at_least| Bar { what, measured, bar, at_least };
        vec![
            bar("spikes: refusals of every kind, % of calls", share(refused(spikes), spikes), 0.02, false),
            bar(
                "sustained: refusals off the excess, % of calls",
                share((refused(sustained) - excess).abs(), sustained),
                1.0,
                false,
            ),
            bar(
                "sustained: 99 of 100 refusals told within, ms",
                told(&sustained.fates).p99,
                AT_ONCE.as_secs_f64() * 1000.0,
                false,
            ),
            bar("sustained: classes refused more than a lower one", out_of_order as f64, 0.0, false),
            bar("sustained: goodput, % of the limit", self.goodput(sustained), 97.0, true),
            bar("most calls that surely were let go in one second", surely as f64, self.limit as f64, false),
        ]
    }
}

impl<'a> Stretch<'a> {
    fn of(span: Range<Duration>, fates: &'a [Fate<'a>], events: &[Event]) -> Self {
        let within: Vec<Event> = events.iter().copied().filter(|event| span.contains(&event.at)).collect();
        let good = fates.iter().filter(|fate| fate.answered() && fate.seen.is_some_and(|seen| span.contains(&seen)));
        Self {
            good: good.count(),
            most: window::most(&within, SECOND).0,
            fates: fates.iter().filter(|fate| span.contains(&fate.planned.at)).collect(),
            span,
        }
    }

    fn seconds(&self) -> f64 {
        (self.span.end - self.span.start).as_secs_f64()
    }

    fn of_class(&self, class: usize) -> Vec<&'a Fate<'a>> {
        self.fates.iter().copied().filter(|fate| fate.planned.class == class).collect()
    }
}

/// How long the refused ones took to be told.
fn told(fates: &[&Fate<'_>]) -> Spread {
    let refused = fates.iter().filter(|fate| !fate.answered());
    Spread::of(refused.map(|fate| fate.told_after()).collect())
}

fn refused_share(fates: &[&Fate<'_>]) -> f64 {
    fates.iter().filter(|fate| !fate.answered()).count() as f64 / (fates.len() as f64).max(1.0)
}

/// The four classes side by side. A wait is what the relay says of a call it answered, and where it says nothing the
/// time until the provider saw the call.
fn classes(stretch: &Stretch<'_>) -> String {
    let head = ["", "offered", "answered", "refused", "wait p50", "p99", "longest", "told p50", "p99"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (class, (name, _)) in CLASSES.iter().enumerate() {
        let fates = stretch.of_class(class);
        let answered = fates.iter().filter(|fate| fate.answered());
        let waits: Vec<Duration> = answered.map(|fate| fate.waited()).collect();
        let counts = [fates.len(), waits.len()].map(|count| text::grouped(count as u64));
        let (wait, told) = (Spread::of(waits), told(&fates));
        let mut row = vec![(*name).to_owned()];
        row.extend(counts);
        row.push(format!("{:.2} %", 100.0 * refused_share(&fates)));
        row.extend([wait.p50, wait.p99, wait.max, told.p50, told.p99].map(text::span));
        rows.push(row);
    }
    text::table(&rows)
}
