use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_is_written_is_read(number: u64, signed: i64, text in ".{0,200}") {
        let mut out = Vec::new();
        put_u64(&mut out, number);
        put_i64(&mut out, signed);
        put_str(&mut out, &text);
        let mut reader = Reader(&out);
        prop_assert_eq!(reader.u64(), Ok(number));
        prop_assert_eq!(reader.i64(), Ok(signed));
        prop_assert_eq!(reader.str(), Ok(text.as_str()));
        prop_assert!(reader.0.is_empty());
        // Cut anywhere, it is an error or something else, never a panic.
        for cut in 0..out.len() {
            let mut reader = Reader(out.get(..cut).unwrap());
            let _ = reader.u64().and_then(|_| reader.i64()).and_then(|_| reader.str());
        }
    }

    #[test]
    fn no_bytes_are_too_odd(bytes: Vec<u8>) {
        let mut reader = Reader(&bytes);
        let _ = reader.str();
        let _ = reader.i64();
        let _ = reader.number::<u8>();
    }
}

#[test]
fn a_text_that_is_too_long_is_cut_between_letters() {
    let mut out = Vec::new();
    put_str(&mut out, &"é".repeat(1000));
    assert_eq!(Reader(&out).str(), Ok("é".repeat(512).as_str()));
    out.clear();
    put_str(&mut out, &format!("x{}", "é".repeat(1000)));
    assert_eq!(Reader(&out).str().map(str::len), Ok(1023));
}
