use super::*;
use base64::engine::general_purpose::URL_SAFE;

fn values() -> Vec<Sealed> {
    let mut values = vec![Sealed::Redacted("ab+/=?~ÿ".to_owned())];
    for from in Format::ALL {
        let signature = Signature { from, text: "Er.QB/+~ÿ?>==".to_owned() };
        values.extend([Sealed::Thinking(signature.clone()), Sealed::Call(signature)]);
    }
    values
}

#[test]
fn whatever_is_sealed_opens_as_it_was() {
    for own in Format::ALL {
        for value in values() {
            assert_eq!(open(&seal(&value, own), own), value, "in {own:?}");
        }
    }
}

#[test]
fn a_gemini_client_may_write_the_bytes_in_the_other_alphabet() {
    for value in values() {
        let sealed = seal(&value, Format::Generate);
        if matches!(&value, Sealed::Thinking(s) if s.from == Format::Generate) {
            continue;
        }
        let bytes = STANDARD.decode(&sealed).expect("sealed values are base64");
        assert_eq!(open(&URL_SAFE.encode(bytes), Format::Generate), value);
    }
}

#[test]
fn a_value_of_the_place_itself_is_left_alone() {
    for own in Format::ALL {
        for text in ["EqQBCgIYAhIkNz==", "", "sluicegate", "sluicegate.nobody.x", "skip_thought_signature_validator"] {
            let own_value = Sealed::Thinking(Signature { from: own, text: text.to_owned() });
            assert_eq!(open(text, own), own_value);
            assert_eq!(seal(&own_value, own), text);
        }
    }
}
