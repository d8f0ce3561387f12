use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_is_written_is_read(number: u64, wide: [u64; 2], text in ".{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut out = Vec::new();
        put_u64(&mut out, number);
        put_words(&mut out, wide);
        put_sized(&mut out, |out| out.extend_from_slice(&bytes));
        put_str(&mut out, &text);
        let mut reader = Reader(&out);
        prop_assert_eq!(reader.u64(), Ok(number));
        prop_assert_eq!(reader.words(), Ok(wide));
        prop_assert_eq!(reader.sized(), Ok(&bytes[..]));
        prop_assert_eq!(reader.str(), Ok(text.as_str()));
        prop_assert!(reader.0.is_empty());
        // Cut anywhere, it is an error or something else, never a panic.
        for cut in 0..out.len() {
            let mut reader = Reader(out.get(..cut).unwrap());
            let _ = reader.u64().and_then(|_| reader.words::<2>()).and_then(|_| reader.sized()).and_then(|_| reader.str());
        }
    }

    #[test]
    fn no_bytes_are_too_odd(bytes: Vec<u8>) {
        let mut reader = Reader(&bytes);
        let _ = reader.str();
        let _ = reader.words::<1>();
        let _ = reader.sized();
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
