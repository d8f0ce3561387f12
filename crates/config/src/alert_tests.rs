use super::*;
use proptest::prelude::*;

#[test]
fn thresholds_are_read_in_every_form_and_written_back() {
    for (text, op, value, percent) in [
        ("<20%", Comparison::Below, 20.0, true),
        (" > 2000 ", Comparison::Above, 2000.0, false),
        (">=5%", Comparison::AtLeast, 5.0, true),
        ("<= 0.5 %", Comparison::AtMost, 0.5, true),
    ] {
        let read = Threshold::parse(text).unwrap();
        assert_eq!(read, Threshold { op, value, percent }, "{text}");
        assert_eq!(read.to_string(), text.replace(' ', ""));
    }
}

#[test]
fn what_is_no_threshold_is_not_taken_for_one() {
    for text in ["", "<", "20%", "=20", "<>20", "<-1", "<1e3", "<inf", "<NaN", "<20%%", "<=", ">2s", "<=>1", "<1.2.3"] {
        assert_eq!(Threshold::parse(text), None, "{text}");
    }
}

#[test]
fn a_threshold_is_crossed_on_its_side_only() {
    let crossed = |text: &str, value| Threshold::parse(text).unwrap().is_crossed(value);
    for (text, below, at, above) in
        [("<5", true, false, false), ("<=5", true, true, false), (">5", false, false, true), (">=5", false, true, true)]
    {
        assert_eq!([crossed(text, 4.9), crossed(text, 5.0), crossed(text, 5.1)], [below, at, above], "{text}");
        assert!(!crossed(text, f64::NAN), "{text}");
    }
}

#[test]
fn every_metric_is_called_the_same_everywhere() {
    for metric in AlertMetric::ALL {
        assert_eq!(serde_json::to_value(metric).unwrap(), metric.as_str());
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "[<>=0-9.% ]{0,12}") {
        if let Some(read) = Threshold::parse(&text) {
            prop_assert_eq!(Threshold::parse(&read.to_string()), Some(read));
        }
    }
}
