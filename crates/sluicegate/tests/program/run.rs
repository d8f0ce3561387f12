use crate::program::{Running, code, command, output, text};
use std::sync::Arc;

/// Asks the relay as an SDK would, with nothing but the variables.
const ASK: &str = r#"curl -sS -i "$OPENAI_BASE_URL/chat/completions" -H "authorization: Bearer $OPENAI_API_KEY" -d '{"model":"sim","messages":[{"role":"user","content":"hi"}]}'"#;

fn run(
    folder: &std::path::Path,
    arguments: &[&str],
    script: &str,
    environment: &[(&str, &str)],
) -> std::process::Output {
    let mut command = command(folder);
    command.arg("run").args(arguments).args(["--", "sh", "-c", script]).envs(environment.iter().copied());
    command.output().unwrap()
}

#[test]
fn a_program_finds_the_relay_in_every_familys_variables() {
    let folder = tempfile::tempdir().unwrap();
    let names =
        "OPENAI_BASE_URL OPENAI_API_KEY ANTHROPIC_BASE_URL ANTHROPIC_API_KEY GOOGLE_GEMINI_BASE_URL GEMINI_API_KEY";
    let script = format!("for name in {names}; do eval echo $name=\\$$name; done; echo [$GOOGLE_API_KEY]; {ASK}");
    let output = run(folder.path(), &[], &script, &[("GOOGLE_API_KEY", "")]);
    let said = text(&output.stdout);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let base = said.lines().find_map(|line| line.strip_prefix("ANTHROPIC_BASE_URL=")).unwrap();
    assert!(base.starts_with("http://127.0.0.1:"), "{said}");
    assert!(
        said.contains(&format!("OPENAI_BASE_URL={base}/v1"))
            && said.contains(&format!("GOOGLE_GEMINI_BASE_URL={base}\n")),
        "{said}"
    );
    assert!(said.contains("\n[]\n") && said.contains("GEMINI_API_KEY=sluicegate"), "{said}");
    assert!(said.to_lowercase().contains("x-sluicegate-simulated: true"), "{said}");
    assert!(text(&output.stderr).contains("SIMULATED"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it leaves nothing behind");
}

#[test]
fn a_programs_end_is_ours() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(code(&run(folder.path(), &[], "exit 7", &[])), 7);
    assert_eq!(code(&run(folder.path(), &[], "kill -TERM $$", &[])), 143);
    assert_eq!(code(&output(folder.path(), &["run", "--", "no-such-program-anywhere"])), 127);
}

#[test]
fn signals_reach_the_program() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let mut command = command(folder.path());
    command.args(["run", "--", "sh", "-c", "trap 'exit 9' TERM; echo waiting >&2; while :; do sleep 0.05; done"]);
    let mut running = Running::start(&folder, &mut command);
    running.says("waiting");
    running.signal("TERM");
    assert_eq!(running.ended(), 9);
}

#[test]
fn a_model_is_handed_on_in_the_variables_that_tools_read() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["--model", "fast"], "echo $OPENAI_MODEL $ANTHROPIC_MODEL $GEMINI_MODEL", &[]);
    assert_eq!(text(&output.stdout), "fast fast fast\n");
}

#[test]
fn a_relay_that_runs_here_already_is_used() {
    let relay = Running::serve(None, &[], &[]);
    let output = run(relay.folder.path(), &[], "echo $ANTHROPIC_BASE_URL", &[]);
    assert_eq!(text(&output.stdout).trim(), format!("http://{}", relay.address()), "{}", text(&output.stderr));
}

#[test]
fn a_running_relay_that_wants_a_key_is_used_with_one_and_not_without() {
    let file = "providers: { lab: { kind: simulated, ttft: 1ms } }\nkeys: [{ name: a, value_env: KEY }]\n";
    let key = "sk-sg-0123456789abcdef";
    let relay = Running::serve(Some(file), &[], &[("KEY", key)]);
    let without = run(relay.folder.path(), &[], "exit 0", &[("KEY", key)]);
    assert_eq!(code(&without), 77, "{}", text(&without.stderr));
    let with = run(relay.folder.path(), &[], ASK, &[("KEY", key), ("SLUICEGATE_KEY", key)]);
    assert!(text(&with.stdout).starts_with("HTTP/1.1 200"), "{}", text(&with.stdout));
}

#[test]
fn a_file_with_keys_and_tls_serves_its_own_program_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = "providers: { lab: { kind: simulated, ttft: 1ms } }\nkeys: [{ name: a, value_env: KEY }]\nserver: { listen: '0.0.0.0:1' }\n";
    std::fs::write(folder.path().join("sluicegate.yaml"), file).unwrap();
    let output = run(folder.path(), &[], ASK, &[("KEY", "sk-sg-0123456789abcdef")]);
    assert!(text(&output.stdout).starts_with("HTTP/1.1 200"), "{}{}", text(&output.stdout), text(&output.stderr));
}
