use super::*;

#[test]
fn every_mode_is_read_as_it_is_printed() {
    for mode in Mode::ALL {
        assert_eq!(format!(" {} ", mode.as_str().to_uppercase()).parse(), Ok(mode));
    }
    assert_eq!("lenient".parse::<Mode>(), Err(ParseModeError));
}

#[test]
fn the_smaller_of_two_modes_is_the_stricter() {
    assert_eq!(Mode::Strict.min(Mode::Graceful), Mode::Strict);
    assert_eq!(Mode::default().min(Mode::Graceful), Mode::Adaptive);
}
