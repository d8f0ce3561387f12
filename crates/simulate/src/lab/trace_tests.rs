use super::{Trace, unix_nanos};
use crate::lab::call::{CLASSES, Kinds};
use proptest::prelude::*;
use std::time::Duration;

fn kinds() -> Kinds {
    Kinds::default()
}

proptest! {
    #[test]
    fn counts_come_back_as_they_were_written(
        rows in prop::collection::btree_map(0_u64..5000, prop::array::uniform4(0_u32..9), 1..50),
        seed in any::<u64>(),
    ) {
        let mut text = String::from("# how a trace begins\nsecond,critical,high,normal,low\n");
        for (second, [critical, high, normal, low]) in &rows {
            text += &format!("{second},{critical},{high},{normal},{low}\n");
        }
        let total: u32 = rows.values().flatten().sum();
        prop_assume!(total > 0);
        let trace = Trace::counts(&text, &kinds(), seed).unwrap();
        prop_assert_eq!(trace.calls.len(), total as usize);
        prop_assert!(trace.calls.is_sorted_by_key(|call| call.at));
        let written: Vec<&str> = text.lines().skip(1).filter(|row| !row.ends_with(",0,0,0,0")).collect();
        let read_back = trace.to_counts();
        prop_assert_eq!(read_back.lines().collect::<Vec<_>>(), written);
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "(\\PC{0,30}\n|\\{\"ts\":\"\\PC{0,25}\"\\}\n|[0-9,]{0,30}\n){0,5}") {
        let _ = Trace::counts(&text, &kinds(), 1);
        let _ = Trace::lines(&text, &kinds(), 1);
        let _ = Trace::log(&text, &kinds(), 1);
    }
}

#[test]
fn lines_say_what_they_know_and_the_rest_is_drawn() {
    let text =
        "{\"at_ms\":1500.5,\"class\":\"high\",\"key\":\"web\",\"tokens_in\":900,\"tokens_out\":200,\"deadline_ms\":700}
        {\"at_ms\":500.5,\"key\":\"batch\",\"endpoint\":\"/embeddings\"}";
    let trace = Trace::lines(text, &kinds(), 1).unwrap();
    let [first, second] = trace.calls[..] else { panic!("two calls") };
    assert_eq!(first.at.0, 0);
    assert_eq!(first.endpoint.path(), "/embeddings");
    assert_eq!(trace.names.keys[first.key as usize], "batch");
    assert_eq!(second.at.0, 1_000_000_000);
    assert_eq!((second.class.as_str(), second.tokens_in, second.tokens_out), ("high", 900, 200));
    assert_eq!(second.patience, Some(Duration::from_millis(700)));
    assert_eq!(trace.names.keys[second.key as usize], "web");
}

#[test]
fn a_line_that_is_wrong_is_named() {
    let error = |text| Trace::lines(text, &kinds(), 1).unwrap_err().to_string();
    assert_eq!(
        error("{\"at_ms\":1}\n{\"at_ms\":2,\"clas\":\"high\"}").split(',').next().unwrap(),
        "line 2: unknown field `clas`"
    );
    assert!(error("{\"at_ms\":1,\"class\":\"urgent\"}").contains("line 1: class: not a priority"));
    assert!(error("{\"at_ms\":-1}").contains("not a time"));
    assert_eq!(error(""), "it has no calls");
    let counts = Trace::counts("second,critical,high,normal,low\n0,1,2,3\n", &kinds(), 1).unwrap_err();
    assert_eq!(counts.to_string(), "line 2: not of the form second,critical,high,normal,low");
    assert!(Trace::counts("5,1,0,0,0\n5,1,0,0,0\n", &kinds(), 1).unwrap_err().to_string().contains("must rise"));
}

#[test]
fn a_request_log_is_replayed_refused_calls_too() {
    let text = concat!(
        r#"{"ts":"2026-11-21T04:43:46.250Z","id":"b","endpoint":"/chat/completions","dialect":"openai","key":"web","#,
        r#""priority":"high","model":"fast","end":"refused","status":429,"fault":"limit_requests","#,
        r#""ms":{"received":0.1,"total":0.2},"bytes_in":9,"bytes_out":9,"config":"abc"}"#,
        "\nsomething else that was written there\n",
        r#"{"ts":"2026-11-21T04:43:44.123Z","id":"a","endpoint":"/embeddings","dialect":"openai","key":"batch","#,
        r#""priority":"low","model":"fast","end":"done","status":200,"provider":"p","upstream_model":"m","#,
        r#""attempts":[{"provider":"p","result":"ok","status":200,"started_ms":0.2,"took_ms":812.5}],"#,
        r#""usage":{"source":"upstream","input":100,"cache_read":900,"output":20},"#,
        r#""ms":{"received":0.1,"total":813},"bytes_in":9,"bytes_out":9,"config":"abc"}"#,
    );
    let (trace, passed_over) = Trace::log(text, &kinds(), 1).unwrap();
    assert_eq!(passed_over, 1);
    let [first, second] = trace.calls[..] else { panic!("two calls") };
    assert_eq!((first.class, first.tokens_in, first.tokens_out), (CLASSES[3], 1000, 20));
    assert_eq!(first.service, Some(Duration::from_micros(812_500)));
    assert_eq!((second.at.0, second.service), (2_127_000_000, None));
    assert_eq!(trace.names.keys[second.key as usize], "web");
    assert!(Trace::log("nothing of the kind", &kinds(), 1).is_err());
}

#[test]
fn moments_are_read_as_they_are_written() {
    let mut stamp = sluicegate_vocabulary::Stamp::default();
    for millis in [0, 951_782_400_000, 951_868_799_999, 1_709_164_800_001, 1_795_236_224_123, 4_102_444_799_999] {
        let mut text = String::new();
        stamp.write(&mut text, millis);
        assert_eq!(unix_nanos(&text).map(|at| at.0 / 1_000_000), Ok(millis), "{text}");
    }
    assert!(unix_nanos("2026-13-01T00:00:00Z").is_err());
    assert!(unix_nanos("yesterday").is_err());
}
