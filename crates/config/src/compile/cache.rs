//! The cache: bounds that make sense.

use super::Compiler;
use crate::cache::Cache;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::file;
use crate::units::{Period, Size};

impl Compiler<'_> {
    pub(super) fn cache(&mut self, stated: Option<&file::Cache>) -> Option<Cache> {
        let stated = stated?.exact.as_ref()?;
        let usual = Cache::default();
        let max_size = stated.max_size.unwrap_or(usual.max_size);
        let cache = Cache {
            ttl: stated.ttl.unwrap_or(usual.ttl),
            max_size,
            max_answer: stated.max_answer.unwrap_or(usual.max_answer.min(max_size)),
            only_when: stated.only_when.unwrap_or_default(),
            scope: stated.scope.unwrap_or_default(),
            wait_for_same: stated.wait_for_same.unwrap_or(usual.wait_for_same),
        };
        let path = |name| ["cache", "exact", name];
        let month = Period::from_secs(31 * 86_400);
        self.within(cache.ttl, Period::from_secs(1), month, &path("ttl"));
        let (least, most) = (Size::from_bytes(64 << 10), Size::from_bytes(1 << 40));
        self.within(cache.max_size, least, most, &path("max_size"));
        self.within(cache.max_answer, Size::from_bytes(1 << 10), Size::from_bytes(256 << 20), &path("max_answer"));
        self.within(cache.wait_for_same, Period::default(), Period::from_secs(600), &path("wait_for_same"));
        if cache.max_answer > cache.max_size {
            let what = "one answer may be larger than all that are kept together";
            let remedy = "make `max_answer` smaller or `max_size` larger";
            self.say(Diagnostic::new(codes::NO_EFFECT_HERE, what).remedy(remedy), &path("max_answer"));
        }
        stated.enabled.unwrap_or(true).then_some(cache)
    }
}
