use super::*;
use sluicegate_relay::LearnedLimit;

fn learned(at_ms: u64) -> Learned {
    let (provider, address, model) = ("own".to_owned(), "http://10.0.0.1:8000/v1".to_owned(), "llama".to_owned());
    Learned { limits: vec![LearnedLimit { provider, address, model, limit: 40.5, slow_start: false, at_ms }] }
}

#[test]
fn what_is_kept_is_recalled() {
    let folder = tempfile::tempdir().unwrap();
    let (memory, nothing) = Memory::recall(folder.path());
    assert_eq!(nothing, Learned::default());
    memory.put(Learned::default());
    assert!(!folder.path().join(FILE).exists(), "nothing is not worth a file");
    memory.put(learned(now_ms()));
    let (_, recalled) = Memory::recall(folder.path());
    assert_eq!(recalled.limits.len(), 1);
    assert_eq!(recalled.limits[0].limit, 40.5);
    memory.put(Learned::default());
    assert_eq!(Memory::recall(folder.path()).1, Learned::default());
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 1, "nothing lies beside it");
}

#[test]
fn what_is_old_is_not_recalled() {
    let folder = tempfile::tempdir().unwrap();
    Memory::recall(folder.path()).0.put(learned(now_ms() - 3_700_000));
    assert_eq!(Memory::recall(folder.path()).1, Learned::default());
}

#[test]
fn a_file_that_cannot_be_read_is_as_none_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let whole = serde_json::to_string(&Text { schema: SCHEMA.to_owned(), learned: learned(now_ms()) }).unwrap();
    let damaged = [
        String::new(),
        whole[..whole.len() / 2].to_owned(),
        whole.replace("/v1\"", "/v2\""),
        whole.replace("40.5", "\"many\""),
        "x".repeat(LARGEST as usize + 1),
    ];
    for text in damaged {
        std::fs::write(&path, &text).unwrap();
        let (memory, recalled) = Memory::recall(folder.path());
        assert_eq!(recalled, Learned::default());
        memory.put(learned(now_ms()));
        assert_eq!(Memory::recall(folder.path()).1.limits.len(), 1);
    }
}
