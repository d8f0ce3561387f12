//! Moves of traffic: a model that exists, somewhere else to go, steps that grow, guards that can decide.

use super::{Compiler, usable_name};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::file::{self, Breach, Inconclusive, MigrationGuard, Place, Side};
use crate::migration::{Approval, Migration, Mirror, keys_of_new_sides};
use crate::model::{Model, WeightedTarget};
use crate::near::nearest;
use crate::units::{self, Period};
use sluicegate_migration::{
    Definition, Guard, KillSwitch, Limit, Metric, OnBreach, OnInconclusive, Plan, Share, Step, StickyBy, Target,
};
use std::collections::BTreeMap;

/// Names the migrations that go back, or says `all`.
const KILL_VARIABLE: &str = "SLUICEGATE_MIGRATIONS_KILL";
/// The first share where nothing else is said.
const FIRST: u32 = 5;
/// Copies at once where nothing else is said.
const COPIES: u32 = 4;
/// A step of more is a mistake.
const LONGEST_HOLD: Period = Period::from_secs(90 * 86_400);

/// What sides may name.
pub(super) struct Known<'a> {
    pub(super) models: &'a BTreeMap<String, Model>,
    /// Every provider's name, and those of its keys, also of those that have a mistake of their own.
    pub(super) named: &'a [String],
    pub(super) keys: &'a BTreeMap<String, Vec<String>>,
}

impl Compiler<'_> {
    pub(super) fn migrations(
        &mut self,
        stated: &BTreeMap<String, file::Migration>,
        known: &Known<'_>,
    ) -> BTreeMap<String, Migration> {
        let killed = self.environment.variable(KILL_VARIABLE).unwrap_or_default();
        let mut found = BTreeMap::new();
        let mut movers: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, stated) in stated {
            if !usable_name(name) {
                let what = "the name of a migration is letters, digits, `-`, `_` and `.`, at most 64";
                self.say_at_name(Diagnostic::new(codes::BAD_NAME, what), &["migrations", name]);
            }
            if let Some(model) = &stated.model
                && let Some(other) = movers.insert(model, name)
            {
                self.say(two_movers(other, model), &["migrations", name, "model"]);
            }
            let migration = self.migration(name, stated, known, &killed);
            found.extend(migration.map(|migration| (name.clone(), migration)));
        }
        self.moved_once(&found, known.models);
        self.keys_of_one_side(&found, known.keys);
        self.killed_nobody(&killed, stated);
        found
    }

    /// A switch that is meant to send calls back must not miss by a letter and say nothing.
    fn killed_nobody(&mut self, killed: &str, stated: &BTreeMap<String, file::Migration>) {
        for word in words(killed).filter(|word| !ALL.contains(word) && !NONE.contains(word)) {
            if stated.contains_key(word) {
                continue;
            }
            let what = format!("{KILL_VARIABLE} names `{word}`, and no migration is called so: it stops nothing");
            let near = nearest(word, stated.keys().map(String::as_str));
            let remedy = near.map_or_else(
                || "name one under `migrations:`, or say `all`".to_owned(),
                |near| format!("did you mean `{near}`? `all` stops every one"),
            );
            self.found.push(Diagnostic::new(codes::KILLS_NOBODY, what).remedy(remedy));
        }
    }

    /// A model's calls are moved by one migration at most, also where one moves all of a provider's.
    fn moved_once(&mut self, found: &BTreeMap<String, Migration>, models: &BTreeMap<String, Model>) {
        for model in models.values() {
            let mut movers = found.iter().filter(|(_, migration)| !migration.goes_to(model).is_empty());
            let (Some(one), Some(other)) = (movers.next(), movers.next()) else { continue };
            let ((name, _), (other, _)) = if one.1.definition.mapped { (one, other) } else { (other, one) };
            if found.get(name).is_some_and(|it| it.definition.mapped) {
                self.say(two_movers(other, &model.name), &["migrations", name, "models"]);
            }
        }
    }

    /// A key that a new side names is used by nothing else, so somebody else must have one.
    fn keys_of_one_side(&mut self, found: &BTreeMap<String, Migration>, keys: &BTreeMap<String, Vec<String>>) {
        for (name, Migration { definition, .. }) in found {
            let taken = |place: &Target| {
                let theirs = keys_of_new_sides(found, &place.provider);
                place.keys.iter().find(|key| theirs.contains(key.as_str())).cloned()
            };
            if let Some(key) = definition.from.iter().find_map(taken) {
                let what = format!("a new side has the key `{key}`, so the old side cannot use it");
                self.say(Diagnostic::new(codes::SHARED_KEY, what), &["migrations", name, "from"]);
            }
            let all_named = |place: &&Target| {
                let theirs = keys_of_new_sides(found, &place.provider);
                let all = keys.get(&place.provider);
                !place.keys.is_empty() && all.is_some_and(|all| all.iter().all(|key| theirs.contains(key.as_str())))
            };
            if let Some(Target { provider, .. }) = definition.to.iter().find(all_named) {
                let what = format!("new sides have every key of `{provider}`, and no other call could be sent there");
                let remedy = "leave one key to the others, or leave `keys` out where the whole provider is new";
                self.say(Diagnostic::new(codes::SHARED_KEY, what).remedy(remedy), &["migrations", name, "to"]);
            }
        }
    }

    fn migration(
        &mut self,
        name: &str,
        stated: &file::Migration,
        known: &Known<'_>,
        killed: &str,
    ) -> Option<Migration> {
        let path = |field| ["migrations", name, field];
        let sticky_by = match stated.sticky_by.as_deref().map(str::parse::<StickyBy>) {
            None => StickyBy::default(),
            Some(Ok(sticky)) => sticky,
            Some(Err(error)) => {
                self.say(Diagnostic::new(codes::BAD_VALUE, error.to_string()), &path("sticky_by"));
                StickyBy::default()
            }
        };
        let plan = self.plan(name, stated);
        let guards = match &stated.guards {
            None => Guard::defaults(),
            Some(list) => list.iter().enumerate().filter_map(|(at, guard)| self.guard(name, at, guard)).collect(),
        };
        let mirror = stated.mirror.as_ref().and_then(|mirror| self.mirror(name, mirror));
        let sides = match (&stated.model, stated.models.is_empty()) {
            (Some(model), true) => self.sides(name, model, stated, known),
            (None, false) => self.mapped(name, stated, known),
            _ => {
                let what =
                    "write either `model`, or `models` with what each of a provider's models is called at the other";
                self.say_at_name(Diagnostic::new(codes::BAD_MIGRATION, what), &["migrations", name]);
                None
            }
        };
        // Of a side that leads nowhere it has been said why.
        let Sides { moved, from, to, mapped } = sides.filter(|sides| !sides.to.is_empty())?;
        let (on_breach, on_inconclusive) = (stated.on_breach.into(), stated.on_inconclusive.into());
        let usual = Definition::new(name, moved, Target::new("", ""), Target::new("", ""), plan?);
        let definition = Definition {
            from,
            to,
            mapped,
            sticky_by,
            guards,
            on_breach,
            on_inconclusive,
            min_calls_rollback: stated.min_calls_rollback.unwrap_or(usual.min_calls_rollback),
            min_calls_promotion: stated.min_calls_promotion.unwrap_or(usual.min_calls_promotion),
            ..usual
        };
        self.within(definition.min_calls_rollback, 1, 1_000_000, &path("min_calls_rollback"));
        self.within(definition.min_calls_promotion, 0, 100_000_000, &path("min_calls_promotion"));
        if let Err(error) = definition.check() {
            self.say(Diagnostic::new(codes::BAD_MIGRATION, error.to_string()), &path("to"));
            return None;
        }
        let environment = is_named(killed, name);
        let kill = KillSwitch { configuration: stated.kill, environment };
        Some(Migration { definition, mirror, start: stated.start, kill })
    }

    /// The sides of a migration of one model.
    fn sides(&mut self, name: &str, moved: &str, stated: &file::Migration, known: &Known<'_>) -> Option<Sides> {
        let path = |field| ["migrations", name, field];
        let to = self.side(&path("to"), &stated.to, known);
        let models = known.models;
        let Some(model) = models.get(moved).filter(|model| !model.builtin) else {
            let what = format!("no entry under `models:` is called `{moved}`");
            let mut diagnostic = Diagnostic::new(codes::UNKNOWN_MOVED_MODEL, what);
            if let Some(near) = nearest(moved, models.keys().map(String::as_str)) {
                diagnostic = diagnostic.label(format!("did you mean `{near}`?"));
            }
            self.say(diagnostic, &path("model"));
            return None;
        };
        let mut from = targets(&model.to);
        let stated = stated.from.as_ref().map(|stated| self.side(&path("from"), stated, known));
        let plain = |side: &[Target]| -> Vec<Target> {
            side.iter().map(|place| Target { keys: Vec::new(), ..place.clone() }).collect()
        };
        if let Some(stated) = stated.as_ref().filter(|stated| plain(stated) == from) {
            from.clone_from(stated);
        } else if stated.is_some() {
            let what = format!("`{}` does not lead there now", model.name);
            let diagnostic = Diagnostic::new(codes::OTHER_ORIGIN, what);
            let remedy = format!("write what `models.{}.to` says, or leave `from` out", model.name);
            self.say(diagnostic.remedy(remedy), &path("from"));
        }
        Some(Sides { moved: model.name.clone(), from, to, mapped: false })
    }

    /// The sides of a migration of several of a provider's models.
    fn mapped(&mut self, name: &str, stated: &file::Migration, known: &Known<'_>) -> Option<Sides> {
        let from = self.whole_provider(&["migrations", name, "from"], stated.from.as_ref(), known);
        let to = self.whole_provider(&["migrations", name, "to"], Some(&stated.to), known);
        for (old, new) in &stated.models {
            if (new == Target::ANY) != (old == Target::ANY) || old.trim().is_empty() || new.trim().is_empty() {
                let what = "`*` stands for all other models, which keep their names: write `\"*\": \"*\"`";
                self.say(Diagnostic::new(codes::BAD_MIGRATION, what), &["migrations", name, "models", old]);
            }
        }
        let (from, to) = (from?, to?);
        let side = |place: &Target, names: Vec<&String>| -> Vec<Target> {
            names.into_iter().map(|model| Target { model: model.trim().to_owned(), ..place.clone() }).collect()
        };
        Some(Sides {
            moved: format!("models of {}", from.provider),
            from: side(&from, stated.models.keys().collect()),
            to: side(&to, stated.models.values().collect()),
            mapped: true,
        })
    }

    /// A provider where otherwise a target is written, as a target without a model.
    fn whole_provider(&mut self, path: &[&str], stated: Option<&Side>, known: &Known<'_>) -> Option<Target> {
        let named = known.named;
        let at = |field| [path, &[field]].concat();
        let (provider, keys, place) = match stated {
            Some(Side::Text(provider)) => (provider.trim(), None, path.to_vec()),
            Some(Side::One(Place { provider: Some(provider), model: None, keys, .. })) => {
                (provider.trim(), keys.as_deref(), at("provider"))
            }
            _ => ("", None, path.to_vec()),
        };
        if named.iter().any(|name| name == provider) {
            let keys = self.keys_of_side(provider, keys, known, &at("keys"));
            return Some(Target { keys, ..Target::new(provider, "") });
        }
        let what = match provider {
            "" => "with `models`, `from` and `to` are each the name of a provider".to_owned(),
            _ => format!("no provider `{provider}` is configured; with `models`, this is the name of one"),
        };
        let known = if named.is_empty() { "none".to_owned() } else { named.join(", ") };
        let mut diagnostic = Diagnostic::new(codes::UNKNOWN_PROVIDER, what);
        if let Some(near) = nearest(provider, named.iter().map(String::as_str)) {
            diagnostic = diagnostic.label(format!("did you mean `{near}`?"));
        }
        let diagnostic = diagnostic.note(format!("configured providers: {known}"));
        if stated.is_some() {
            self.say(diagnostic, &place)
        } else {
            self.say_at_name(diagnostic, path.split_last().map_or(path, |(_, above)| above))
        }
        None
    }

    fn plan(&mut self, name: &str, stated: &file::Migration) -> Option<Plan> {
        let path = |field| ["migrations", name, field];
        let plan = match (stated.double_every, stated.steps.as_slice()) {
            (Some(_), [_, ..]) | (None, []) => {
                let what = "write either `steps` or `double_every`";
                let diagnostic = Diagnostic::new(codes::BAD_STEPS, what);
                self.say_at_name(diagnostic.remedy("double_every: 6h"), &["migrations", name]);
                return None;
            }
            (Some(every), []) => {
                self.within(every, Period::default(), LONGEST_HOLD, &path("double_every"));
                let start = stated.start_at.unwrap_or(units::Share::from_percent(FIRST));
                Plan::double_every(share(start), every.duration(), stated.min_requests.unwrap_or_default())
            }
            (None, steps) => {
                for (field, is_there) in
                    [("start_at", stated.start_at.is_some()), ("min_requests", stated.min_requests.is_some())]
                {
                    if is_there {
                        let what = format!("`{field}` belongs to `double_every`; each of the steps has its own");
                        self.say(Diagnostic::new(codes::NO_EFFECT_HERE, what), &path(field));
                    }
                }
                for (at, step) in steps.iter().enumerate() {
                    let hold = ["migrations", name, "steps", &at.to_string(), "hold"];
                    self.within(step.hold.unwrap_or_default(), Period::default(), LONGEST_HOLD, &hold);
                }
                Plan::new(steps.iter().map(|stated| Step {
                    share: share(stated.traffic),
                    hold: stated.hold.unwrap_or_default().duration(),
                    min_calls: stated.min_requests.unwrap_or_default(),
                    approval: stated.approval == Approval::Manual,
                }))
            }
        };
        let field = if stated.double_every.is_some() { "double_every" } else { "steps" };
        plan.map_err(|error| self.say(Diagnostic::new(codes::BAD_STEPS, error.to_string()), &path(field))).ok()
    }

    fn guard(&mut self, name: &str, at: usize, stated: &MigrationGuard) -> Option<Guard> {
        let at = at.to_string();
        let path = |field| ["migrations", name, "guards", &at, field];
        let metric: Metric = match stated.metric.parse() {
            Err(_) => {
                let known: Vec<&str> = Metric::all().map(Metric::as_str).collect();
                let mut diagnostic =
                    Diagnostic::new(codes::UNKNOWN_WORD, format!("`{}` is not measured", stated.metric));
                if let Some(near) = nearest(&stated.metric, known.iter().copied()) {
                    diagnostic = diagnostic.label(format!("did you mean `{near}`?"));
                }
                self.say(diagnostic.note(format!("allowed here: {}", known.join(", "))), &path("metric"));
                return None;
            }
            Ok(metric) => metric,
        };
        let (field, limit) = match (&stated.max_increase, &stated.max) {
            (Some(by), None) => ("max_increase", increase(metric, by)),
            (None, Some(at)) => ("max", most(metric, at)),
            _ => {
                let diagnostic =
                    Diagnostic::new(codes::BAD_GUARD, "a guard has either `max_increase` or `max`, and one of them");
                self.say(diagnostic, &["migrations", name, "guards", &at]);
                return None;
            }
        };
        let guard = limit.and_then(|limit| {
            let confidence = stated.confidence.map_or(0.95, units::Share::fraction);
            let guard = Guard { confidence, ..Guard::new(metric, limit) };
            guard.check().map(|()| guard).map_err(|error| error.to_string())
        });
        guard.map_err(|what| self.say(Diagnostic::new(codes::BAD_GUARD, what), &path(field))).ok()
    }

    fn mirror(&mut self, name: &str, stated: &file::Mirror) -> Option<Mirror> {
        let path = |field| ["migrations", name, "mirror", field];
        let max_concurrency = stated.max_concurrency.unwrap_or(COPIES);
        self.within(max_concurrency, 1, 1_000, &path("max_concurrency"));
        if let Some(usd) = stated.usd_per_day {
            self.within(usd, 0.0, 1_000_000.0, &path("usd_per_day"));
        }
        let share = share(stated.traffic);
        (share > Share::NONE).then_some(Mirror {
            share,
            max_concurrency,
            usd_per_day: stated.usd_per_day,
            keep_text: stated.keep_text,
        })
    }

    /// One side's targets.
    fn side(&mut self, path: &[&str], stated: &Side, known: &Known<'_>) -> Vec<Target> {
        let list = match stated {
            Side::Text(text) => {
                let target = self.target(text, known.named, path);
                return target.map(|target| Target::new(target.provider, target.model)).into_iter().collect();
            }
            Side::One(place) => return self.place(path, place, known).into_iter().collect(),
            Side::Weighted(list) => list,
        };
        self.weights(path, list.iter().map(|place| place.weight.unwrap_or(1)));
        let mut targets = Vec::new();
        for (at, place) in list.iter().enumerate() {
            targets.extend(self.place(&[path, &[&at.to_string()]].concat(), place, known));
        }
        targets
    }

    fn place(&mut self, path: &[&str], place: &Place, known: &Known<'_>) -> Option<Target> {
        let (Some(model), None) = (&place.model, &place.provider) else {
            let what = "where one `model` is moved, a side is `model: provider/model`";
            self.say(Diagnostic::new(codes::BAD_MIGRATION, what), path);
            return None;
        };
        let target = self.target(model, known.named, &[path, &["model"]].concat())?;
        let keys = self.keys_of_side(&target.provider, place.keys.as_deref(), known, &[path, &["keys"]].concat());
        Some(Target { keys, weight: place.weight.unwrap_or(1), ..Target::new(target.provider, target.model) })
    }

    /// The keys that a side names of a provider.
    fn keys_of_side(
        &mut self,
        provider: &str,
        stated: Option<&[String]>,
        known: &Known<'_>,
        path: &[&str],
    ) -> Vec<String> {
        if stated.is_some_and(<[String]>::is_empty) {
            let what = "the list names no key";
            let remedy = "leave `keys` out for all of the provider's keys that no new side names";
            self.say(Diagnostic::new(codes::UNKNOWN_KEY_OF_SIDE, what).remedy(remedy), path);
        }
        let all = known.keys.get(provider).map_or(&[][..], Vec::as_slice);
        let mut keys: Vec<String> = Vec::new();
        for (at, key) in stated.into_iter().flatten().map(|key| key.trim()).enumerate() {
            let at = at.to_string();
            let path = [path, &[&at]].concat();
            if keys.iter().any(|other| other == key) {
                self.say(Diagnostic::new(codes::DUPLICATE_NAME, format!("`{key}` is named twice")), &path);
            } else if all.iter().all(|other| other != key) {
                let what = format!("`{provider}` has no key called `{key}`");
                let mut diagnostic = Diagnostic::new(codes::UNKNOWN_KEY_OF_SIDE, what);
                if let Some(near) = nearest(key, all.iter().map(String::as_str)) {
                    diagnostic = diagnostic.label(format!("did you mean `{near}`?"));
                }
                let names = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
                self.say(diagnostic.note(format!("its keys: {names}")), &path);
            }
            keys.push(key.to_owned());
        }
        keys
    }
}

/// Where calls come from and go.
struct Sides {
    /// What is moved, in words.
    moved: String,
    from: Vec<Target>,
    to: Vec<Target>,
    mapped: bool,
}

fn two_movers(other: &str, model: &str) -> Diagnostic {
    Diagnostic::new(codes::TWO_MIGRATIONS, format!("`{other}` moves the calls of `{model}` already"))
}

/// Whether a list of names, or the word `all`, names this one.
/// Words that name every migration, and such as name none.
const ALL: [&str; 3] = ["all", "1", "true"];
const NONE: [&str; 2] = ["0", "false"];

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty())
}

fn is_named(list: &str, name: &str) -> bool {
    words(list).any(|word| word == name || ALL.contains(&word))
}

fn share(share: units::Share) -> Share {
    Share::percent(share.fraction() * 100.0).unwrap_or(Share::NONE)
}

fn targets(list: &[WeightedTarget]) -> Vec<Target> {
    let one = |entry: &WeightedTarget| Target {
        weight: entry.weight,
        ..Target::new(entry.model.provider.clone(), entry.model.model.clone())
    };
    list.iter().map(one).collect()
}

fn is_rate(metric: Metric) -> bool {
    matches!(metric, Metric::Errors | Metric::Empty | Metric::Truncated | Metric::InvalidToolCalls)
}

fn number(text: &str, unit: &str) -> Option<f64> {
    let digits = text.trim().strip_suffix(unit)?.trim();
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    digits.parse().ok().filter(|_| plain)
}

/// `1pp` for a rate, `25%` for what is compared as a part.
fn increase(metric: Metric, text: &str) -> Result<Limit, String> {
    let by = if is_rate(metric) { number(text, "pp") } else { number(text, "%") };
    let shape = if is_rate(metric) { "percentage points: write 1pp" } else { "a part of the old value: write 25%" };
    by.map(|by| Limit::MaxIncrease(by / 100.0)).ok_or_else(|| format!("how much more {metric} may be is {shape}"))
}

/// `5%` for a rate, `2s` for a time, `$0.02` for a cost.
fn most(metric: Metric, text: &str) -> Result<Limit, String> {
    let (at, shape) = match metric {
        Metric::FirstToken(_) | Metric::Total(_) => {
            (text.parse::<Period>().ok().map(|period| period.millis() as f64), "a time: write 2s")
        }
        Metric::Cost => (text.trim().strip_prefix('$').and_then(|text| number(text, "")), "dollars: write $0.02"),
        _ => (number(text, "%").map(|percent| percent / 100.0), "a share: write 5%"),
    };
    at.map(Limit::Max).ok_or_else(|| format!("the most that {metric} may be is {shape}"))
}

impl From<Breach> for OnBreach {
    fn from(breach: Breach) -> Self {
        match breach {
            Breach::Rollback => Self::Rollback,
            Breach::Pause => Self::Pause,
            Breach::Alert => Self::Alert,
        }
    }
}

impl From<Inconclusive> for OnInconclusive {
    fn from(inconclusive: Inconclusive) -> Self {
        match inconclusive {
            Inconclusive::Hold => Self::Hold,
            Inconclusive::Advance => Self::Advance,
            Inconclusive::Rollback => Self::Rollback,
        }
    }
}
