//! Moves of traffic, as the relay carries them out.

use crate::model::Model;
use schemars::JsonSchema;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};
use sluicegate_migration::{Definition, KillSwitch, Limit, Share, Step, Target};
use std::collections::{BTreeMap, BTreeSet};

/// A move of one model's calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Migration {
    /// What is to be done. Its `from` is what the model leads to.
    pub definition: Definition,
    /// Of which calls the new side gets a copy, if of any.
    pub mirror: Option<Mirror>,
    /// Who starts it.
    pub start: Start,
    /// What stops it: the file or the environment, as they were when this was read.
    pub kill: KillSwitch,
}

impl Migration {
    /// Where a public model's calls go; nowhere where this does not move them.
    #[must_use]
    pub fn goes_to(&self, model: &Model) -> Vec<Target> {
        let definition = &self.definition;
        match model.to.as_slice() {
            [only] if definition.mapped => {
                definition.goes_to(&only.model.provider, &only.model.model).into_iter().collect()
            }
            _ if !definition.mapped && definition.model == model.name => definition.to.clone(),
            _ => Vec::new(),
        }
    }

    /// The keys that the old side names for the target of a public model at this place of its list; none for the
    /// provider's ordinary pool. To be asked of a model that this moves.
    #[must_use]
    pub fn old_keys(&self, model: &Model, at: usize) -> &[String] {
        let from = match model.to.as_slice() {
            [only] if self.definition.mapped => self.definition.comes_from(&only.model.provider, &only.model.model),
            _ => self.definition.from.get(at),
        };
        from.map_or(&[], |from| &from.keys)
    }
}

/// The keys of a provider that new sides name. Each is its side's alone, so they are not of the provider's ordinary pool.
#[must_use]
pub fn keys_of_new_sides<'a>(migrations: &'a BTreeMap<String, Migration>, provider: &str) -> BTreeSet<&'a str> {
    let places = migrations.values().flat_map(|migration| &migration.definition.to);
    places.filter(|place| place.provider == provider).flat_map(|place| &place.keys).map(String::as_str).collect()
}

/// Calls of which the new side gets a copy whose answer nobody sees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mirror {
    /// The share of calls.
    #[serde(serialize_with = "percent", rename = "traffic")]
    pub share: Share,
    /// Most at once.
    pub max_concurrency: u32,
    /// Most that they may cost in a day, in dollars.
    pub usd_per_day: Option<f64>,
    /// Whether the beginnings of both texts are kept with a sample.
    pub keep_text: bool,
}

/// Who starts a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// A person, with `sluicegate migrate start`.
    #[default]
    Manual,
    /// It starts when the relay reads it for the first time. What was rolled back stays back.
    Auto,
}

/// Whether a person must agree before the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// The next step follows by itself.
    #[default]
    Automatic,
    /// A person says `sluicegate migrate advance`.
    Manual,
}

/// A share as it is written: `5%`.
fn written(share: Share) -> String {
    let percent = f64::from(share.millionths()) / 10_000.0;
    format!("{percent}%")
}

fn percent<S: Serializer>(share: &Share, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&written(*share))
}

/// As it would be written in a file, with everything that was left out.
impl Serialize for Migration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let definition = &self.definition;
        let targets = |targets: &[Target]| -> Vec<serde_json::Value> {
            let one = |target: &Target| {
                let mut place = serde_json::json!({ "model": format!("{}/{}", target.provider, target.model), "weight": target.weight });
                if let Some(place) = place.as_object_mut().filter(|_| !target.keys.is_empty()) {
                    place.insert("keys".to_owned(), target.keys.clone().into());
                }
                place
            };
            targets.iter().map(one).collect()
        };
        let step = |step: &Step| {
            let approval = if step.approval { Approval::Manual } else { Approval::Automatic };
            serde_json::json!({
                "traffic": written(step.share),
                "hold": format!("{}ms", step.hold.as_millis()),
                "min_requests": step.min_calls,
                "approval": approval,
            })
        };
        let guard = |guard: &sluicegate_migration::Guard| {
            let (name, by) = match guard.limit {
                Limit::MaxIncrease(by) => ("max_increase", by),
                Limit::Max(at) => ("max", at),
            };
            serde_json::json!({ "metric": guard.metric.as_str(), name: by, "confidence": guard.confidence })
        };
        let mut fields = serializer.serialize_struct("Migration", 13)?;
        if definition.mapped {
            let provider = |side: &[Target]| {
                side.first().map(|target| match target.keys.as_slice() {
                    [] => serde_json::Value::from(target.provider.clone()),
                    keys => serde_json::json!({ "provider": target.provider, "keys": keys }),
                })
            };
            let pairs = definition.from.iter().zip(&definition.to);
            let models: BTreeMap<&str, &str> = pairs.map(|(from, to)| (&*from.model, &*to.model)).collect();
            fields.serialize_field("models", &models)?;
            fields.serialize_field("from", &provider(&definition.from))?;
            fields.serialize_field("to", &provider(&definition.to))?;
        } else {
            fields.serialize_field("model", &definition.model)?;
            fields.serialize_field("from", &targets(&definition.from))?;
            fields.serialize_field("to", &targets(&definition.to))?;
        }
        fields.serialize_field("sticky_by", &definition.sticky_by.to_string())?;
        fields.serialize_field("steps", &definition.plan.steps().iter().map(step).collect::<Vec<_>>())?;
        fields.serialize_field("guards", &definition.guards.iter().map(guard).collect::<Vec<_>>())?;
        fields.serialize_field("on_breach", &definition.on_breach)?;
        fields.serialize_field("on_inconclusive", &definition.on_inconclusive)?;
        fields.serialize_field("min_calls_rollback", &definition.min_calls_rollback)?;
        fields.serialize_field("min_calls_promotion", &definition.min_calls_promotion)?;
        fields.serialize_field("mirror", &self.mirror)?;
        fields.serialize_field("start", &self.start)?;
        fields.serialize_field("kill", &self.kill.set_by().is_some())?;
        fields.end()
    }
}
