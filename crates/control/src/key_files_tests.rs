use super::*;

const A: Option<Face> = Some(Face { modified: None, length: 10, changed: (0, 0), number: 1 });
const B: Option<Face> = Some(Face { modified: None, length: 11, changed: (0, 0), number: 1 });

fn of(files: &[&str]) -> KeyFiles {
    KeyFiles { files: files.iter().map(|file| (file.into(), hashed("key"))).collect(), ..KeyFiles::default() }
}

fn as_loaded(_: &Path) -> Option<u64> {
    Some(hashed("key\n"))
}

#[test]
fn a_file_that_changes_is_noticed_once_and_one_that_is_away_for_a_moment_is_not() {
    let mut files = of(&["key"]);
    let looks = [(A, false), (A, false), (None, false), (A, false), (B, true), (B, false), (None, false), (A, true)];
    for (at, (face, changed)) in looks.into_iter().enumerate() {
        assert_eq!(files.look(|_| face, as_loaded), changed, "look {at}");
    }
}

#[test]
fn a_file_that_is_no_longer_configured_is_forgotten() {
    let mut files = of(&["key"]);
    assert!(!files.look(|_| A, as_loaded));
    files.files.clear();
    assert!(!files.look(|_| B, as_loaded));
    assert!(files.seen.is_empty());
    files.files = of(&["key"]).files;
    assert!(!files.look(|_| B, as_loaded), "it is new again");
}

#[test]
fn a_file_that_changed_after_it_was_loaded_and_before_the_first_look_is_noticed_once() {
    let mut files = of(&["key"]);
    let read = |_: &Path| Some(hashed("another"));
    assert_eq!([files.look(|_| A, read), files.look(|_| A, read)], [true, false]);
}

#[test]
fn another_file_of_the_same_length_and_time_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("key"), folder.path().join("other"));
    let write = |path: &Path, text: &str| {
        std::fs::write(path, text).unwrap();
        std::fs::File::options().write(true).open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    };
    write(&path, "one");
    let before = Face::of(&path);
    assert_eq!(Face::of(&path), before);
    write(&other, "two");
    std::fs::rename(&other, &path).unwrap();
    let replaced = Face::of(&path);
    assert_ne!(replaced, before);
    std::thread::sleep(std::time::Duration::from_millis(20));
    write(&path, "six");
    assert_ne!(Face::of(&path), replaced, "written over, with its time set back");
}
