use super::*;
use ratatui::crossterm::event::KeyEvent;

#[test]
fn the_usual_keys_end_it_and_others_do_not() {
    let pressed = |code, modifiers| ends(&Event::Key(KeyEvent::new(code, modifiers)));
    for (code, modifiers) in [
        (KeyCode::Char('q'), KeyModifiers::NONE),
        (KeyCode::Esc, KeyModifiers::NONE),
        (KeyCode::Char('c'), KeyModifiers::CONTROL),
    ] {
        assert!(pressed(code, modifiers), "{code:?}");
    }
    assert!(!pressed(KeyCode::Char('c'), KeyModifiers::NONE) && !pressed(KeyCode::Enter, KeyModifiers::NONE));
    assert!(!ends(&Event::Resize(80, 24)));
}
