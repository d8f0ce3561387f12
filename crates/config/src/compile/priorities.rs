//! Sense of the `priorities` section: classes in their order, and a queue that holds what it is for.

use super::Compiler;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::file;
use crate::priorities::{ClassRule, Classes, Priorities};
use crate::server::Server;
use crate::units::{Period, Size};

const DAY: Period = Period::from_secs(86_400);

impl Compiler<'_> {
    pub(super) fn priorities(&mut self, stated: Option<&file::Priorities>, server: &Server) -> Priorities {
        let usual = Priorities::default();
        let Some(stated) = stated else { return usual };
        let none = file::Classes::default();
        let classes = stated.classes.as_ref().unwrap_or(&none);
        let classes = Classes {
            critical: self.class("critical", classes.critical, usual.classes.critical),
            high: self.class("high", classes.high, usual.classes.high),
            normal: self.class("normal", classes.normal, usual.classes.normal),
            low: self.class("low", classes.low, usual.classes.low),
        };
        self.in_order(&classes);
        if let Some(calls) = stated.max_queue {
            let path = ["priorities", "max_queue"];
            if calls == 0 {
                let what = "`max_queue: 0` lets no call wait";
                self.say(Diagnostic::new(codes::OUT_OF_RANGE, what).remedy("mode: strict refuses at once"), &path);
            } else {
                self.within(calls, 1, 10_000_000, &path);
            }
        }
        if let Some(bytes) = stated.max_queue_bytes {
            self.holds_a_body(bytes, server);
        }
        Priorities {
            classes,
            max_queue: stated.max_queue.unwrap_or(usual.max_queue),
            max_queue_bytes: stated.max_queue_bytes.unwrap_or(usual.max_queue_bytes),
        }
    }

    fn class(&mut self, name: &str, stated: Option<file::ClassRule>, usual: ClassRule) -> ClassRule {
        let stated = stated.unwrap_or_default();
        let path = ["priorities", "classes", name, "weight"];
        let weight = stated.weight.filter(|weight| self.within(*weight, 1, 1_000_000, &path)).unwrap_or(usual.weight);
        if stated.max_wait.is_some_and(|wait| wait == Period::default() || wait > DAY) {
            let what = "`max_wait` must be from 1ms to 1d";
            self.say(Diagnostic::new(codes::OUT_OF_RANGE, what), &["priorities", "classes", name, "max_wait"]);
        }
        ClassRule { weight, max_wait: stated.max_wait.unwrap_or(usual.max_wait) }
    }

    /// Warns of a class that gets more than the one above it.
    fn in_order(&mut self, classes: &Classes) {
        let order =
            [("critical", classes.critical), ("high", classes.high), ("normal", classes.normal), ("low", classes.low)];
        for pair in order.windows(2) {
            let [(upper, above), (lower, below)] = pair else { continue };
            if below.weight > above.weight {
                let what = format!(
                    "`{lower}` weighs {} and `{upper}` {}: the lower class gets the larger share",
                    below.weight, above.weight
                );
                // One of the two is in the file.
                let stated = [*lower, *upper]
                    .into_iter()
                    .find(|name| self.document.find(&["priorities", "classes", name, "weight"]).is_some());
                let path = ["priorities", "classes", stated.unwrap_or(lower), "weight"];
                self.say(Diagnostic::new(codes::CLASS_ORDER, what), &path);
            }
        }
    }

    fn holds_a_body(&mut self, bytes: Size, server: &Server) {
        let path = ["priorities", "max_queue_bytes"];
        let (least, most) = (Size::from_bytes(1 << 10), Size::from_bytes(1 << 40));
        if bytes < least || bytes > most {
            let what = format!("`max_queue_bytes` must be from {least} to {most}");
            self.say(Diagnostic::new(codes::OUT_OF_RANGE, what), &path);
        } else if bytes < server.max_body {
            let what =
                format!("a request of up to {} is accepted (server.max_body), but {bytes} may wait", server.max_body);
            self.say(Diagnostic::new(codes::BODY_CANNOT_WAIT, what), &path);
        }
    }
}
