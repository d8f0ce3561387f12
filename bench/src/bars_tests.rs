use super::Bar;

fn bar(measured: f64) -> Bar {
    Bar { what: "idle memory".to_owned(), measured, at_most: 25.0, unit: "MB" }
}

#[test]
fn a_bar_is_cleared_up_to_and_at_its_height() {
    assert!(bar(25.0).passed());
    assert!(!bar(25.1).passed());
    assert!(!bar(f64::NAN).passed(), "nothing measured clears nothing");
}

#[test]
fn a_miss_is_called_a_miss() {
    assert!(bar(30.0).to_string().starts_with("MISS"));
}
