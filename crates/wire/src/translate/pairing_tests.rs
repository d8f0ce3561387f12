use super::*;
use crate::translate::neutral::{ToolCall, ToolResult};
use crate::translate::notes::Policy;

fn call(id: &str, name: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: "{}".into(), signature: None })
}

fn result(id: &str, name: Option<&str>, says: &str) -> Part {
    let name = name.map(str::to_owned);
    Part::ToolResult(ToolResult { id: id.into(), name, parts: vec![text(says)], is_error: false })
}

fn text(text: &str) -> Part {
    Part::Text(text.into())
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, name: None, parts }
}

fn paired(turns: Vec<Turn>, format: Format) -> Result<Vec<Turn>, Fault> {
    let mut prompt = Prompt { turns, ..Prompt::default() };
    pair(&mut prompt, format, &Notes::new(Policy::Default, Format::Chat))?;
    Ok(prompt.turns)
}

/// Calls and results as `(id, name)` in order.
fn ids(turns: &[Turn]) -> Vec<(String, String)> {
    let pair = |part: &Part| match part {
        Part::ToolCall(call) => Some((call.id.clone(), call.name.clone())),
        Part::ToolResult(result) => Some((result.id.clone(), result.name.clone().unwrap_or_default())),
        _ => None,
    };
    turns.iter().flat_map(|turn| &turn.parts).filter_map(pair).collect()
}

#[test]
fn results_take_the_name_of_their_call() {
    let turns = vec![
        turn(Role::Assistant, vec![call("a", "look"), call("b", "listen")]),
        turn(Role::User, vec![result("b", None, "1")]),
        turn(Role::User, vec![result("a", None, "2")]),
    ];
    let turns = paired(turns, Format::Generate).unwrap();
    let named = |id: &str, name: &str| (id.to_owned(), name.to_owned());
    assert_eq!(ids(&turns), [named("a", "look"), named("b", "listen"), named("b", "listen"), named("a", "look")]);
    assert_eq!(turns.len(), 2, "the results stand in one turn");
}

#[test]
fn results_without_ids_are_matched_by_name_and_order() {
    let turns = vec![
        turn(Role::Assistant, vec![call("", "look"), call("", "listen"), call("", "look")]),
        turn(
            Role::User,
            vec![result("", Some("listen"), "1"), result("", Some("look"), "2"), result("", Some("look"), "3")],
        ),
    ];
    let ids = ids(&paired(turns, Format::Messages).unwrap());
    assert_eq!(ids[3], ids[1]);
    assert_eq!(ids[4], ids[0]);
    assert_eq!(ids[5], ids[2]);
    assert!(ids[0].0 != ids[2].0 && ids[0].0.starts_with("toolu_"));
}

#[test]
fn an_id_used_again_in_a_later_turn_becomes_another() {
    let round = || {
        vec![turn(Role::Assistant, vec![call("call_0", "look")]), turn(Role::User, vec![result("call_0", None, "x")])]
    };
    let mut turns = round();
    turns.extend(round());
    let ids = ids(&paired(turns, Format::Messages).unwrap());
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[2], ids[3]);
    assert_ne!(ids[0], ids[2]);
}

#[test]
fn results_come_before_what_else_the_user_says() {
    let turns = vec![
        turn(Role::Assistant, vec![call("a", "look"), call("b", "look")]),
        turn(Role::User, vec![text("first"), result("a", None, "1")]),
        turn(Role::User, vec![text("then"), result("b", None, "2")]),
    ];
    let turns = paired(turns, Format::Messages).unwrap();
    let kinds: Vec<bool> = turns[1].parts.iter().map(|part| matches!(part, Part::ToolResult(_))).collect();
    assert_eq!(kinds, [true, true, false]);
    assert_eq!(turns[2].parts, [text("then")]);
}

#[test]
fn a_result_that_answers_nothing_is_refused() {
    for turns in [
        vec![turn(Role::User, vec![result("a", None, "1")])],
        vec![
            turn(Role::Assistant, vec![call("a", "look")]),
            turn(Role::User, vec![result("a", None, "1"), result("a", None, "again")]),
        ],
        vec![
            turn(Role::Assistant, vec![call("a", "look")]),
            turn(Role::User, vec![result("a", None, "1")]),
            turn(Role::Assistant, vec![text("So.")]),
            turn(Role::User, vec![result("a", None, "late")]),
        ],
    ] {
        let fault = paired(turns, Format::Messages).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some("messages"));
        assert!(fault.message.contains("answers no tool call"), "{fault}");
    }
}

#[test]
fn a_call_without_result_is_refused() {
    for turns in [
        vec![turn(Role::Assistant, vec![call("a", "look")])],
        vec![turn(Role::Assistant, vec![call("a", "look")]), turn(Role::User, vec![text("Well?")])],
        vec![
            turn(Role::Assistant, vec![call("a", "look"), call("b", "look")]),
            turn(Role::User, vec![result("a", None, "1")]),
            turn(Role::Assistant, vec![text("So.")]),
        ],
    ] {
        assert!(paired(turns, Format::Messages).unwrap_err().message.contains("has no result"));
    }
}

#[test]
fn calls_spread_over_turns_are_answered_together() {
    let turns = vec![
        turn(Role::Assistant, vec![call("a", "look")]),
        turn(Role::Assistant, vec![call("b", "look")]),
        turn(Role::User, vec![result("a", None, "1"), result("b", None, "2")]),
    ];
    assert!(paired(turns, Format::Responses).is_ok());
}
