use crate::program::{Running, code, request, text};
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn every_path_of_the_openapi_document_is_served() {
    let relay = Running::serve(None, &[], &[]);
    let answer = relay.get("/openapi.json");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document: Value = answer.json();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let concrete = path.replace("{model}", "sim").replace("{provider}", "sim").replace("{path}", "v1/models");
        for method in methods.as_object().unwrap().keys() {
            let answer = if method == "get" { relay.get(&concrete) } else { relay.post(&concrete, "", "{}") };
            let said = answer.body.to_lowercase();
            if path.starts_with("/p/") {
                assert_eq!(answer.header("x-sluicegate-provider"), Some("sim"), "{method} {path}");
                continue;
            }
            assert!(
                answer.status != 405 && !said.contains("is not served here"),
                "{method} {path}: {} {said}",
                answer.status
            );
        }
    }
}

#[test]
fn every_operation_has_its_own_id_and_every_reference_leads_somewhere() {
    let document: Value = serde_json::from_str(sluicegate_control::OPENAPI).unwrap();
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
        }
    }
    fn visit(value: &Value, document: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(to)) = fields.get("$ref") {
                    assert!(document.pointer(to.strip_prefix('#').unwrap()).is_some(), "{to}");
                }
                fields.values().for_each(|value| visit(value, document));
            }
            Value::Array(items) => items.iter().for_each(|value| visit(value, document)),
            _ => {}
        }
    }
    visit(&document, &document);
}

#[test]
fn metrics_count_what_was_done() {
    let relay = Running::serve(None, &[], &[]);
    relay.chat("sim");
    let metrics = relay.get("/metrics");
    assert!(metrics.header("content-type").unwrap().starts_with("application/openmetrics-text"), "{}", metrics.head);
    let line = r#"sluicegate_calls_total{endpoint="/chat/completions",model="sim",outcome="done"} 1"#;
    assert!(metrics.body.contains(line) && metrics.body.trim_end().ends_with("# EOF"), "{}", metrics.body);
}

#[test]
fn the_schema_is_the_one_that_the_command_prints() {
    let relay = Running::serve(None, &[], &[]);
    let printed: Value = serde_json::from_slice(&relay.beside(&["config", "schema"]).stdout).unwrap();
    assert_eq!(relay.get("/config.schema.json").json(), printed);
}

#[test]
fn the_front_page_says_where_to_point_a_client() {
    let relay = Running::serve(None, &[], &[]);
    assert!(relay.get("/").body.contains(&format!("base_url = http://{}/v1", relay.address())));
}

#[test]
fn operators_can_have_an_address_of_their_own() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let file = format!("providers: {{ lab: {{ kind: simulated }} }}\nserver: {{ admin_listen: '{free}' }}\n");
    let relay = Running::serve(Some(&file), &[], &[]);
    assert_eq!(relay.get("/metrics").status, 404);
    assert_eq!(relay.get("/openapi.json").status, 200);
    for path in ["/metrics", "/health/ready", "/health/live", "/config.schema.json"] {
        let answer = request(&free, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
        assert_eq!(answer.status, 200, "{path}");
    }
    let admin =
        request(&free, "POST /admin/api/reload HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(admin.status, 404, "without a token orders are taken on the socket only");
}

#[test]
fn orders_from_elsewhere_need_the_token() {
    const TOKEN: &str = "an operator's token that nobody guesses";
    let hash: String = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, TOKEN.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let file = format!(
        "providers: {{ lab: {{ kind: simulated }} }}\nserver: {{ admin_listen: '{free}', admin_token_sha256: '{hash}' }}\n"
    );
    let relay = Running::serve(Some(&file), &[], &[]);
    let ask = |address: &str, header: &str| {
        let head = format!("GET /admin/api/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\n");
        request(address, &head).status
    };
    let bearer = |token: &str| format!("authorization: Bearer {token}\r\n");
    assert_eq!(ask(&free, ""), 401);
    assert_eq!(ask(&free, &bearer("another")), 401);
    assert_eq!(ask(&free, &bearer(&hash)), 401, "the hash is no token");
    assert_eq!(ask(&free, &bearer(TOKEN)), 200);
    assert_eq!(ask(&relay.address(), &bearer(TOKEN)), 404, "not on the clients' address");
    let run = |environment: &[(&str, &str)], arguments: &[&str]| {
        let elsewhere = tempfile::tempdir().unwrap();
        let mut command = crate::program::command(elsewhere.path());
        command.args(arguments).envs(environment.iter().copied()).output().unwrap()
    };
    let url = format!("http://{free}");
    let known = [("SLUICEGATE_ADMIN_URL", &*url), ("SLUICEGATE_ADMIN_TOKEN", TOKEN)];
    let made = run(&known, &["keys", "create", "web-app"]);
    assert_eq!(code(&made), 0, "{}", text(&made.stderr));
    let listed = text(&relay.beside(&["keys", "list"]).stdout);
    assert!(listed.contains("web-app"), "{listed}");
    let wrong = run(&[("SLUICEGATE_ADMIN_TOKEN", "x")], &["status", "--admin-url", &url]);
    assert!(code(&wrong) != 0 && text(&wrong.stderr).contains("token"), "{}", text(&wrong.stderr));
    let none = run(&[], &["status", "--admin-url", &url]);
    assert!(text(&none.stderr).contains("SLUICEGATE_ADMIN_TOKEN"), "{}", text(&none.stderr));
    let https = run(&known, &["status", "--admin-url", "https://relay.example:9080"]);
    assert!(text(&https.stderr).contains("http://HOST:PORT"), "{}", text(&https.stderr));
}
