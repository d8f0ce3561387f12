use super::*;
use crate::translate::neutral::{Role, Tool, ToolCall, Turn};
use proptest::prelude::*;

#[test]
fn what_fits_is_kept() {
    for (id, format) in
        [("toolu_01AbC-9", Format::Messages), ("call.with:dots", Format::Chat), (&"x".repeat(64), Format::Messages)]
    {
        assert_eq!(fit_call_id(id, format), id);
    }
    assert_eq!(fit_name("get_weather", Format::Messages), "get_weather");
    assert_eq!(fit_name("a.b:c", Format::Generate), "a.b:c");
}

#[test]
fn a_prefix_of_another_format_is_exchanged() {
    assert_eq!(answer_id("msg_01", "chatcmpl-"), "chatcmpl-01");
    assert_eq!(answer_id("chatcmpl-a", "msg_"), "msg_a");
    assert_eq!(answer_id("weird", "resp_"), "resp_weird");
}

proptest! {
    #[test]
    fn every_id_becomes_legal_and_always_the_same(id in "\\PC{0,90}") {
        for format in Format::ALL {
            let fitted = fit_call_id(&id, format).into_owned();
            prop_assert!(!fitted.is_empty() && fitted.len() <= 64);
            prop_assert_eq!(&fit_call_id(&id, format), &fitted);
            prop_assert_eq!(&fit_call_id(&fitted, format), &fitted);
            if format == Format::Messages {
                prop_assert!(fitted.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
            }
        }
    }

    #[test]
    fn every_name_becomes_legal_and_comes_back(names in prop::collection::hash_set("\\PC{1,150}", 1..5)) {
        for format in Format::ALL {
            let mut prompt = Prompt::default();
            for name in &names {
                prompt.tools.push(Tool { name: name.clone(), description: None, schema: None, strict: None });
                let call = ToolCall { id: String::new(), name: name.clone(), arguments: "{}".to_owned(), signature: None };
                prompt.turns.push(Turn { role: Role::Assistant, name: None, parts: vec![Part::ToolCall(call)] });
            }
            let map = Names::fit(&mut prompt, format);
            for (tool, turn) in prompt.tools.iter().zip(&prompt.turns) {
                prop_assert!(fit_name(&tool.name, format) == tool.name, "{} is legal", tool.name);
                prop_assert!(matches!(&turn.parts[0], Part::ToolCall(call) if call.name == tool.name));
            }
            for (tool, original) in prompt.tools.iter().zip(&names) {
                let mut name = tool.name.clone();
                map.restore(&mut name);
                prop_assert_eq!(&name, original);
            }
        }
    }
}
