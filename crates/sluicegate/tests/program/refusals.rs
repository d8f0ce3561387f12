use crate::program::{Running, code, output, text};

fn serve(file: &str, arguments: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("relay.yaml"), file).unwrap();
    let output = output(folder.path(), &[&["serve", "-c", "relay.yaml"], arguments].concat());
    assert!(!folder.path().join("data").exists(), "nothing is left behind by a start that was refused");
    (code(&output), text(&output.stderr))
}

#[test]
fn a_listener_open_to_others_without_keys_is_refused_with_the_ways_out() {
    let folder = tempfile::tempdir().unwrap();
    let bare = output(folder.path(), &["serve", "--listen", "0.0.0.0:0"]);
    let (with_file, said) = serve("providers: { lab: { kind: simulated } }", &["--listen", "0.0.0.0:0"]);
    assert_eq!((code(&bare), with_file), (78, 78));
    for said in [text(&bare.stderr), said] {
        assert!(said.contains("keys:") && said.contains("--insecure-open") && said.contains("E040"), "{said}");
    }
}

#[test]
fn it_opens_when_told_to_or_when_there_is_a_key() {
    let open = Running::serve(None, &["--sim", "--insecure-open", "--listen", "0.0.0.0:0"], &[]);
    assert!(open.err().contains("OPEN to the network") && open.err().contains("W105"), "{}", open.err());
    assert_eq!(open.chat("sim").status, 200);
    let file = "providers: { lab: { kind: simulated, ttft: 1ms } }\nkeys: [{ name: a, value_env: K }]\n";
    let keyed = Running::serve(Some(file), &["--listen", "0.0.0.0:0"], &[("K", "sk-sg-0123456789abcdef")]);
    assert_eq!(keyed.chat("sim").status, 401);
}

#[test]
fn a_file_that_is_wrong_is_shown_where_and_ends_with_78() {
    let (code, said) = serve("server:\n  lissten: 127.0.0.1:0\n", &[]);
    assert_eq!(code, 78);
    assert!(said.contains("relay.yaml:2:3") && said.contains("did you mean `listen`?"), "{said}");
    let (code, said) = serve("server: [\n", &[]);
    assert_eq!(code, 78);
    assert!(said.contains("E001"), "{said}");
}

#[test]
fn a_key_that_is_named_and_not_there_is_an_error_and_never_simulation() {
    let (code, said) = serve("providers: { openai: { api_key_env: NOT_SET_ANYWHERE } }", &[]);
    assert_eq!(code, 78);
    assert!(said.contains("NOT_SET_ANYWHERE"), "{said}");
}

#[test]
fn a_file_that_is_named_and_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let output = output(folder.path(), &["serve", "-c", "nowhere.yaml"]);
    assert_eq!(code(&output), 78);
    assert!(text(&output.stderr).contains("nowhere.yaml cannot be read"));
}

#[test]
fn certificates_that_cannot_be_read_end_with_78() {
    let tls = "providers: { lab: { kind: simulated } }\nserver: { tls: { cert: no.pem, key: no.key } }";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sluicegate.yaml"), tls).unwrap();
    let output = output(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(code(&output), 78, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("no.pem"), "{}", text(&output.stderr));
}

#[test]
fn wrong_usage_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in [
        &["serve", "--no-such-flag"][..],
        &["no-such-command"],
        &["run"],
        &["simulate", "provider", "--error-rate", "2"],
    ] {
        assert_eq!(code(&output(folder.path(), wrong)), 2, "{wrong:?}");
    }
}
