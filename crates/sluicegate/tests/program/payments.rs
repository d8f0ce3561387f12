//! Payments, through the real program and over real sockets: who is believed, and what comes of it.

use crate::program::{Answer, Running, code, request, text};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

const FILE: &str = "\
providers: { lab: { kind: simulated } }
prices: { models: { lab/sim: { request: 0.05 } } }
keys:
  - { name: customer, value: sk-sg-customer, credits: { low_balance_usd: 5 } }
payments:
  credit: { CNY: 0.14 }
  stripe: { secret_env: STRIPE_SECRET }
  wechat: { merchant: m1, secret_file: apiv3.key, public_keys: { PUB_1: wechat.pem } }
  alipay: { app: app1, public_key: alipay.pem }
";
const STRIPE: &str = "whsec_of_this_test";
const API_V3: &str = "0123456789abcdef0123456789abcdef";

/// Made anew for each run.
static WECHAT: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
static ALIPAY: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());

fn pem(pair: &RsaKeyPair) -> String {
    let der = pair.public_key().as_der().unwrap();
    let text = STANDARD.encode(der.as_ref());
    format!("-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n", &text[..64], &text[64..])
}

fn sign(pair: &RsaKeyPair, message: &str) -> String {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    STANDARD.encode(signature)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn serve() -> Running {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    for (name, text) in
        [("sluicegate.yaml", FILE), ("apiv3.key", API_V3), ("wechat.pem", &pem(&WECHAT)), ("alipay.pem", &pem(&ALIPAY))]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    Running::serve_in(&folder, &[], &[("STRIPE_SECRET", STRIPE)])
}

fn order(relay: &Running, arguments: &[&str]) -> String {
    let output = relay.beside(&[&["credits", "order"], arguments].concat());
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

fn balance(relay: &Running) -> String {
    let output = relay.beside(&["ledger", "show", "--json"]);
    let page: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    page["accounts"][0]["balance_usd"].as_str().unwrap().to_owned()
}

fn send(relay: &Running, service: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!("POST /payments/{service} HTTP/1.1\r\nhost: pay.example\r\nconnection: close\r\n{headers}");
    request(&relay.address(), &format!("{head}content-length: {length}\r\n\r\n{body}"))
}

fn stripe(relay: &Running, secret: &str, at: u64, order: &str, amount: u64) -> Answer {
    let body = format!(
        r#"{{"id":"evt_1","type":"checkout.session.completed","data":{{"object":{{"id":"cs_{order}",
        "client_reference_id":"{order}","amount_total":{amount},"currency":"usd","payment_status":"paid"}}}}}}"#
    );
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), format!("{at}.{body}").as_bytes());
    let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    send(relay, "stripe", &format!("stripe-signature: t={at},v1={tag}\r\n"), &body)
}

fn wechat(relay: &Running, pair: &RsaKeyPair, merchant: &str, order: &str, fen: u64) -> Answer {
    let inside = format!(
        r#"{{"mchid":"{merchant}","out_trade_no":"{order}","transaction_id":"wx_{order}","trade_state":"SUCCESS",
        "amount":{{"total":{fen},"currency":"CNY"}}}}"#
    );
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, API_V3.as_bytes()).unwrap());
    let mut sealed = inside.into_bytes();
    let nonce = Nonce::try_assume_unique_for_key(b"twelve bytes").unwrap();
    key.seal_in_place_append_tag(nonce, Aad::from(b"transaction"), &mut sealed).unwrap();
    let body = format!(
        r#"{{"id":"n1","event_type":"TRANSACTION.SUCCESS","resource":{{"algorithm":"AEAD_AES_256_GCM",
        "ciphertext":"{}","nonce":"twelve bytes","associated_data":"transaction"}}}}"#,
        STANDARD.encode(sealed)
    );
    let at = now();
    let signature = sign(pair, &format!("{at}\nnonce\n{body}\n"));
    let headers = format!(
        "wechatpay-timestamp: {at}\r\nwechatpay-nonce: nonce\r\nwechatpay-serial: PUB_1\r\nwechatpay-signature: {signature}\r\n"
    );
    send(relay, "wechat", &headers, &body)
}

fn alipay(relay: &Running, pair: &RsaKeyPair, app: &str, order: &str, amount: &str) -> Answer {
    let trade = format!("ali_{order}");
    let fields = [
        ("app_id", app),
        ("out_trade_no", order),
        ("total_amount", amount),
        ("trade_no", &trade),
        ("trade_status", "TRADE_SUCCESS"),
    ];
    let joined = fields.map(|(name, value)| format!("{name}={value}")).join("&");
    let signature = sign(pair, &joined).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let headers = "content-type: application/x-www-form-urlencoded\r\n";
    send(relay, "alipay", headers, &format!("{joined}&sign_type=RSA2&sign={signature}"))
}

#[test]
fn a_payment_is_credited_once_and_only_if_it_is_signed_and_was_ordered() {
    let relay = serve();
    let [first, second, third] = [
        order(&relay, &["customer", "19.99", "USD", "--worth", "20", "--reference", "order-17"]),
        order(&relay, &["customer", "99", "CNY"]),
        order(&relay, &["customer", "0.50", "CNY"]),
    ];
    let unknown = relay.beside(&["credits", "order", "nobody", "1", "CNY"]);
    assert!(text(&unknown.stderr).contains("no account is called nobody"), "{}", text(&unknown.stderr));
    let no_rate = relay.beside(&["credits", "order", "customer", "1", "EUR"]);
    assert!(text(&no_rate.stderr).contains("no rate for EUR"), "{}", text(&no_rate.stderr));
    // Forgeries, old ones, other amounts, orders and merchants: refused, and nothing credited.
    assert_eq!(stripe(&relay, "whsec_x", now(), &first, 1999).status, 400);
    assert_eq!(stripe(&relay, STRIPE, now() - 3600, &first, 1999).status, 400);
    assert_eq!(stripe(&relay, STRIPE, now(), &first, 1998).status, 400);
    assert_eq!(stripe(&relay, STRIPE, now(), "order-18", 1999).status, 400);
    assert_eq!(stripe(&relay, STRIPE, now(), &second, 9900).status, 400, "an order in another currency");
    assert_eq!(wechat(&relay, &ALIPAY, "m1", &second, 9900).status, 400);
    assert_eq!(wechat(&relay, &WECHAT, "m2", &second, 9900).status, 400);
    assert_eq!(wechat(&relay, &WECHAT, "m1", &second, 1).status, 400);
    let refused = alipay(&relay, &WECHAT, "app1", &third, "0.50");
    assert_eq!((refused.status, &*refused.body), (400, "fail"));
    assert_eq!(alipay(&relay, &ALIPAY, "app2", &third, "0.50").status, 400);
    assert_eq!(send(&relay, "stripe", "", "{}").status, 400);
    assert_eq!(send(&relay, "paypal", "", "{}").status, 404);
    assert_eq!(balance(&relay), "0");
    // Each believed once, however often it comes and however many at once.
    let paid = stripe(&relay, STRIPE, now(), &first, 1999);
    assert_eq!(paid.status, 200, "{}", paid.body);
    let body = wechat(&relay, &WECHAT, "m1", &second, 9900);
    assert_eq!((body.status, body.json()["code"].as_str()), (200, Some("SUCCESS")), "{}", body.body);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(|| alipay(&relay, &ALIPAY, "app1", &third, "0.50"))).collect();
        for thread in threads {
            let answer = thread.join().unwrap();
            assert_eq!((answer.status, &*answer.body), (200, "success"));
        }
    });
    assert_eq!(stripe(&relay, STRIPE, now(), &first, 1999).status, 200);
    // 20 as was said, 99 and 0.50 at 0.14.
    assert_eq!(balance(&relay), "33.93");
    let metrics = relay.get("/metrics").body;
    for (service, outcome, count) in [
        ("stripe", "credited", 1),
        ("stripe", "repeated", 1),
        ("stripe", "forged", 1),
        ("stripe", "stale", 1),
        ("wechat", "foreign", 1),
        ("wechat", "wrong_amount", 1),
        ("alipay", "credited", 1),
        ("alipay", "repeated", 5),
    ] {
        let line =
            format!("sluicegate_payment_notifications_total{{service=\"{service}\",outcome=\"{outcome}\"}} {count}");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    let listed = text(&relay.beside(&["credits", "orders", "customer"]).stdout);
    assert!(listed.contains("99.00 CNY") && listed.contains(&format!("wechat wx_{second}")), "{listed}");
    // A refund is an entry, and the books stay right.
    let refund = ["credits", "add", "customer", "-13.86", "--kind", "refund", "--reference", &second];
    assert_eq!(code(&relay.beside(&refund)), 0);
    assert_eq!(balance(&relay), "20.07");
    let verified = relay.beside(&["ledger", "verify"]);
    assert_eq!(code(&verified), 0, "{}", text(&verified.stdout));
}

/// What is signed as Stripe signs it.
fn stripe_event(relay: &Running, body: &str) -> Answer {
    let at = now();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, STRIPE.as_bytes()), format!("{at}.{body}").as_bytes());
    let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    send(relay, "stripe", &format!("stripe-signature: t={at},v1={tag}\r\n"), body)
}

#[test]
fn what_is_given_back_is_an_entry_once_and_takes_its_share_of_the_credit() {
    let relay = serve();
    let first = order(&relay, &["customer", "3", "USD", "--worth", "1", "--reference", "order-17"]);
    let refunded = |cents: u64| {
        stripe_event(
            &relay,
            &format!(
                r#"{{"type":"charge.refunded","data":{{"object":{{"id":"ch_1","payment_intent":"pi_1",
                "amount_refunded":{cents},"currency":"usd"}}}}}}"#
            ),
        )
    };
    assert_eq!(refunded(100).status, 400, "what was not paid cannot be given back");
    let paid = format!(
        r#"{{"type":"checkout.session.completed","data":{{"object":{{"id":"cs_1","payment_intent":"pi_1",
        "client_reference_id":"{first}","amount_total":300,"currency":"usd","payment_status":"paid"}}}}}}"#
    );
    assert_eq!(stripe_event(&relay, &paid).status, 200);
    assert_eq!(balance(&relay), "1");
    // A third of a dollar, rounded so that three thirds are all of it.
    for (cents, left) in [(100, "0.666666667"), (100, "0.666666667"), (300, "0"), (200, "0"), (300, "0")] {
        assert_eq!(refunded(cents).status, 200);
        assert_eq!(balance(&relay), left, "{cents}");
    }
    assert_eq!(refunded(301).status, 400, "more than was paid");
    let listed = text(&relay.beside(&["credits", "orders", "customer"]).stdout);
    assert!(listed.contains("3.00 given back"), "{listed}");
    let entries = text(&relay.beside(&["ledger", "export"]).stdout);
    assert_eq!(entries.matches(",refund,order-17/ch_1:").count(), 2, "{entries}");
    let verified = relay.beside(&["ledger", "verify"]);
    assert_eq!(code(&verified), 0, "{}", text(&verified.stdout));
}

#[test]
fn a_key_that_is_none_is_refused_when_the_relay_starts() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sluicegate.yaml"), "payments: { alipay: { app: a, public_key: no.pem } }")
        .unwrap();
    let serve = || crate::program::output(folder.path(), &["serve", "--sim", "--listen", "127.0.0.1:0"]);
    assert_eq!(code(&serve()), 78);
    std::fs::write(folder.path().join("no.pem"), "nonsense").unwrap();
    let refused = serve();
    assert_ne!(code(&refused), 0);
    assert!(text(&refused.stderr).contains("payments.alipay: not a public key"), "{}", text(&refused.stderr));
}
