//! Alerts: a threshold that its metric can cross.

use super::Compiler;
use crate::alert::{Alert, AlertMetric, Threshold};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::file::Metric;
use crate::units::Period;

impl Compiler<'_> {
    pub(super) fn alerts(&mut self, metrics: &[Metric]) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for (at, stated) in metrics.iter().enumerate() {
            let at = at.to_string();
            let hold = stated.lasting.unwrap_or_default();
            if hold > Period::from_secs(86_400) {
                self.say(Diagnostic::new(codes::OUT_OF_RANGE, "`for` must be from 0s to 1d"), &["metrics", &at, "for"]);
            }
            let Some(written) = stated.alert_threshold.as_deref() else {
                let what = format!("without `alert_threshold` nothing is raised for `{}`", stated.name);
                let diagnostic = Diagnostic::new(codes::NO_THRESHOLD, what);
                let example = match stated.name {
                    AlertMetric::BucketFillPercentage => "<20%",
                    share if share.is_share() => ">5%",
                    _ => ">2000",
                };
                self.say(diagnostic.remedy(format!("alert_threshold: \"{example}\"")), &["metrics", &at]);
                continue;
            };
            if let Some(threshold) = self.threshold(written, stated, &["metrics", &at, "alert_threshold"]) {
                alerts.push(Alert { metric: stated.name, threshold, hold });
            }
        }
        alerts
    }

    fn threshold(&mut self, written: &str, stated: &Metric, path: &[&str]) -> Option<Threshold> {
        let Some(mut threshold) = Threshold::parse(written) else {
            let what = "a threshold is `<`, `<=`, `>` or `>=` and a number, such as \"<20%\" or \">2000\"";
            self.say(Diagnostic::new(codes::BAD_THRESHOLD, what), path);
            return None;
        };
        let metric = stated.name;
        if !metric.is_share() {
            if threshold.percent {
                let what = format!("`{metric}` is a number, not a share, so its threshold has no percent sign");
                self.say(Diagnostic::new(codes::BAD_THRESHOLD, what), path);
            }
            return Some(threshold);
        }
        if threshold.value > 100.0 {
            let what = format!("`{metric}` is a share: it lies between 0% and 100%");
            self.say(Diagnostic::new(codes::BAD_THRESHOLD, what), path);
        }
        if !threshold.percent && threshold.value > 0.0 && threshold.value < 1.0 {
            let what = format!("`{metric}` is measured in percent, so this is {}%", threshold.value);
            let diagnostic = Diagnostic::new(codes::SMALL_SHARE, what);
            let meant = format!("{}{}%", threshold.op.as_str(), threshold.value * 100.0);
            self.say(diagnostic.remedy(format!("write \"{meant}\" if that was meant")), path);
        }
        threshold.percent = true;
        Some(threshold)
    }
}
