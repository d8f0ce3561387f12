//! The reference pages say what the program does: names are compared, so neither can drift from the other.

use crate::program::{output, text};
use std::path::Path;

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_page_of_metrics_names_exactly_those_that_are_served() {
    let relay = crate::flow::serve();
    crate::flow::traffic(&relay);
    let served = relay.get("/metrics").body;
    let page = page("metrics.md");
    let mut names: Vec<&str> = served
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    names.sort_unstable();
    // What is served only where something is configured is looked at where it is (load.rs, migrate.rs, payments.rs, kept.rs,
    // and control's provider_metrics_tests.rs).
    let elsewhere = [
        "`metrics_url` is",
        "`migrations` are",
        "`payments` is",
        "`choices` are",
        "`fallbacks` are",
        "`resume` is",
        "`alerts` are",
    ];
    let elsewhere = elsewhere.map(|what| format!("where {what} configured"));
    let mut told: Vec<&str> = page
        .lines()
        .filter(|line| !elsewhere.iter().any(|what| line.contains(what)))
        .filter_map(|line| line.strip_prefix("| `sluicegate_"))
        .filter_map(|rest| rest.split(['`', '{']).next())
        .collect();
    told.sort_unstable();
    let names: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix("sluicegate_")).collect();
    assert_eq!(told, names);
}

#[test]
fn the_page_of_the_http_surface_names_every_path_of_the_openapi_document() {
    let document: serde_json::Value = serde_json::from_str(sluicegate_control::OPENAPI).unwrap();
    let page = page("http-api.md");
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("`{path}`")), "{path}");
    }
}

#[test]
fn the_page_of_commands_names_every_command_and_flag() {
    let folder = tempfile::tempdir().unwrap();
    let page = page("cli.md");
    for command in [
        "serve",
        "run",
        "demo",
        "check",
        "config init",
        "config schema",
        "config show",
        "explain",
        "reload",
        "status",
        "quota",
        "providers",
        "keys",
        "migrate start",
        "migrate status",
        "cache show",
        "cache purge",
        "route explain",
        "usage",
        "calls",
        "prices",
        "ledger",
        "credits",
        "backup",
        "restore",
        "top",
        "audit",
        "verify",
        "simulate provider",
        "completions",
        "man",
        "version",
    ] {
        let heading = if command.starts_with("migrate") { "migrate" } else { command };
        assert!(page.contains(&format!("## `sluicegate {heading}")), "{command}");
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = text(&output(folder.path(), &arguments).stdout);
        let flags = help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2);
        for flag in flags.map(|flag| flag.trim_end_matches([',', '.', ':', ';', ')'])) {
            assert!(page.contains(flag), "{command} {flag}");
        }
    }
}
