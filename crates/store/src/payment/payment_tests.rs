use super::*;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use proptest::prelude::*;
use std::sync::LazyLock;

const NOW_S: i64 = 1_795_262_400;
const NOW: i64 = NOW_S * 1000;
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Made anew for each run; making one takes a while, so once.
static OURS: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
static OTHERS: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());

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

fn order(currency: &str) -> Order {
    let (reference, account) = ("order-17".to_owned(), "customer-42".to_owned());
    Order { reference, account, amount: 1999, currency: currency.to_owned(), credit: "19.99".parse().unwrap() }
}

/// What a service makes of a notification: which order was paid through whom.
fn outcome(
    service: &dyn PaymentService,
    notification: &Notification<'_>,
    currency: &str,
) -> Result<Option<String>, Refusal> {
    match service.verify(notification, NOW)? {
        Some(Told::Paid(paid)) => {
            order(currency).matches(&paid).map(|()| Some(format!("{}:{}", service.name(), paid.order)))
        }
        Some(Told::Refunded(back)) => {
            let sort = if back.in_all { "all" } else { "one" };
            Ok(Some(format!("{:?} {} {} {sort} {}", back.of, back.refund, back.amount, back.currency)))
        }
        None => Ok(None),
    }
}

fn stripe_body(order: &str, amount: u64, status: &str) -> String {
    format!(
        r#"{{"id":"evt_1","type":"checkout.session.completed","data":{{"object":{{"id":"cs_1","object":"checkout.session",
        "client_reference_id":"{order}","amount_total":{amount},"currency":"usd","payment_status":"{status}"}}}}}}"#
    )
}

fn stripe_sign(secret: &str, at: i64, body: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), format!("{at}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v0=00,v1=00ff,v1={hex}")
}

#[test]
fn stripe_is_believed_only_with_its_signature_its_order_and_its_amount() {
    let service = Stripe::new("whsec_x");
    let told = |secret, at, signed: &str, sent: &str| {
        let signature = stripe_sign(secret, at, signed);
        let headers = [("Stripe-Signature", signature.as_str())];
        outcome(&service, &Notification { headers: &headers, body: sent.as_bytes() }, "USD")
    };
    let body = stripe_body("order-17", 1999, "paid");
    assert_eq!(told("whsec_x", NOW_S, &body, &body), Ok(Some("stripe:order-17".to_owned())));
    assert_eq!(told("whsec_y", NOW_S, &body, &body), Err(Refusal::Forged));
    assert_eq!(told("whsec_x", NOW_S, &body, &body.replace("1999", "9999")), Err(Refusal::Forged));
    assert_eq!(told("whsec_x", NOW_S - 301, &body, &body), Err(Refusal::Stale));
    assert_eq!(told("whsec_x", NOW_S + 301, &body, &body), Err(Refusal::Stale));
    let other = |body: String| told("whsec_x", NOW_S, &body, &body);
    assert_eq!(other(stripe_body("order-18", 1999, "paid")), Err(Refusal::UnknownOrder));
    assert_eq!(other(stripe_body("order-17", 1998, "paid")), Err(Refusal::WrongAmount));
    assert_eq!(other(body.replace("usd", "cny")), Err(Refusal::WrongCurrency));
    assert_eq!(other(stripe_body("order-17", 1999, "unpaid")), Ok(None));
    assert_eq!(other(body.replace("session.completed", "session.expired")), Ok(None));
    assert_eq!(other("{}".to_owned()), Err(Refusal::Unreadable));
    let charge = r#"{"type":"charge.refunded","data":{"object":{"id":"ch_1","object":"charge","payment_intent":"pi_1",
        "amount":1999,"amount_refunded":500,"currency":"usd","refunded":false}}}"#;
    assert_eq!(other(charge.to_owned()), Ok(Some("Transaction(\"pi_1\") ch_1:500 500 all USD".to_owned())));
    assert_eq!(
        other(charge.replace("pi_1\"", "pi_1\",\"x\":\"").replace("amount_refunded", "y")),
        Err(Refusal::Unreadable)
    );
    let bare = Notification { headers: &[], body: body.as_bytes() };
    assert_eq!(outcome(&service, &bare, "USD"), Err(Refusal::Unsigned));
}

fn wechat_body(inside: &str, secret: &str) -> String {
    wechat_event("TRANSACTION.SUCCESS", inside, secret)
}

fn wechat_event(kind: &str, inside: &str, secret: &str) -> String {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret.as_bytes()).unwrap());
    let mut sealed = inside.as_bytes().to_vec();
    let nonce = Nonce::try_assume_unique_for_key(b"0123456789ab").unwrap();
    key.seal_in_place_append_tag(nonce, Aad::from(b"transaction"), &mut sealed).unwrap();
    format!(
        r#"{{"id":"e1","event_type":"{kind}","resource_type":"encrypt-resource","resource":{{
        "algorithm":"AEAD_AES_256_GCM","ciphertext":"{}","nonce":"0123456789ab","associated_data":"transaction"}}}}"#,
        STANDARD.encode(sealed)
    )
}

#[test]
fn wechat_is_believed_only_with_its_signature_its_merchant_its_order_and_its_amount() {
    let service = WeChat::new("m1", &[("old", &pem(&OTHERS)), ("s1", &pem(&OURS))], SECRET).unwrap();
    let told = |pair, serial, at: i64, signed: &str, sent: &str| {
        let (at, signature) = (at.to_string(), sign(pair, &format!("{at}\nn1\n{signed}\n")));
        let headers = [
            ("Wechatpay-Timestamp", at.as_str()),
            ("Wechatpay-Nonce", "n1"),
            ("Wechatpay-Serial", serial),
            ("Wechatpay-Signature", signature.as_str()),
        ];
        outcome(&service, &Notification { headers: &headers, body: sent.as_bytes() }, "CNY")
    };
    let inside = r#"{"mchid":"m1","appid":"a","out_trade_no":"order-17","transaction_id":"t1","trade_state":"SUCCESS",
        "amount":{"total":1999,"payer_total":1999,"currency":"CNY"}}"#;
    let body = wechat_body(inside, SECRET);
    assert_eq!(told(&OURS, "s1", NOW_S, &body, &body), Ok(Some("wechat:order-17".to_owned())));
    assert_eq!(told(&OTHERS, "s1", NOW_S, &body, &body), Err(Refusal::Forged));
    assert_eq!(told(&OURS, "unknown", NOW_S, &body, &body), Err(Refusal::Forged));
    assert_eq!(told(&OURS, "s1", NOW_S, &body, &body.replace("e1", "e2")), Err(Refusal::Forged));
    assert_eq!(told(&OURS, "s1", NOW_S - 301, &body, &body), Err(Refusal::Stale));
    let other = |inside: &str| {
        let body = wechat_body(inside, SECRET);
        told(&OURS, "s1", NOW_S, &body, &body)
    };
    assert_eq!(other(&inside.replace("m1", "m2")), Err(Refusal::Foreign));
    assert_eq!(other(&inside.replace("order-17", "order-18")), Err(Refusal::UnknownOrder));
    assert_eq!(other(&inside.replace("\"total\":1999", "\"total\":1")), Err(Refusal::WrongAmount));
    assert_eq!(other(&inside.replace("CNY", "USD")), Err(Refusal::WrongCurrency));
    assert_eq!(other(&inside.replace("SUCCESS", "REFUND")), Ok(None));
    let back = r#"{"mchid":"m1","out_trade_no":"order-17","transaction_id":"t1","refund_id":"r1","refund_status":"SUCCESS",
        "amount":{"total":1999,"refund":700,"payer_total":1999,"payer_refund":700}}"#;
    let given_back = |inside: &str| {
        let body = wechat_event("REFUND.SUCCESS", inside, SECRET);
        told(&OURS, "s1", NOW_S, &body, &body)
    };
    assert_eq!(given_back(back), Ok(Some("Order(\"order-17\") r1 700 one CNY".to_owned())));
    assert_eq!(given_back(&back.replace("m1", "m2")), Err(Refusal::Foreign));
    assert_eq!(given_back(&back.replace("\"SUCCESS\"", "\"CLOSED\"")), Ok(None));
    let foreign = wechat_body(inside, "another secret of 32 characters!");
    assert_eq!(told(&OURS, "s1", NOW_S, &foreign, &foreign), Err(Refusal::Forged));
}

const ALIPAY: [(&str, &str); 7] = [
    ("app_id", "app1"),
    ("out_trade_no", "order-17"),
    ("subject", "credit & more=十"),
    ("total_amount", "19.99"),
    ("trade_no", "2026"),
    ("trade_status", "TRADE_SUCCESS"),
    ("version", "1.0"),
];

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_';
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn alipay_body(fields: &[(&str, &str)], pair: &RsaKeyPair) -> String {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let message: Vec<_> = sorted.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let signature = sign(pair, &message.join("&"));
    let all = fields.iter().copied().chain([("sign_type", "RSA2"), ("sign", signature.as_str())]);
    all.map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

#[test]
fn alipay_is_believed_only_with_its_signature_its_app_its_order_and_its_amount() {
    let service = Alipay::new("app1", &pem(&OURS)).unwrap();
    let told = |body: &str| outcome(&service, &Notification { headers: &[], body: body.as_bytes() }, "CNY");
    let body = alipay_body(&ALIPAY, &OURS);
    assert_eq!(told(&body), Ok(Some("alipay:order-17".to_owned())));
    assert_eq!(told(&alipay_body(&ALIPAY, &OTHERS)), Err(Refusal::Forged));
    assert_eq!(told(&body.replace("19.99", "99.99")), Err(Refusal::Forged));
    assert_eq!(told(&format!("{body}&total_amount=99.99")), Err(Refusal::Unsigned));
    assert_eq!(told(&body.replace("RSA2", "RSA")), Err(Refusal::Unsigned));
    let other = |name: &str, value: &'static str| {
        let mut fields = ALIPAY.to_vec();
        match fields.iter_mut().find(|(other, _)| *other == name) {
            Some(field) => field.1 = value,
            None => fields.push(("refund_fee", value)),
        }
        told(&alipay_body(&fields, &OURS))
    };
    assert_eq!(other("app_id", "app2"), Err(Refusal::Foreign));
    assert_eq!(other("out_trade_no", "order-18"), Err(Refusal::UnknownOrder));
    assert_eq!(other("total_amount", "19.98"), Err(Refusal::WrongAmount));
    assert_eq!(other("total_amount", "19.990"), Err(Refusal::Unreadable));
    assert_eq!(other("trade_status", "WAIT_BUYER_PAY"), Ok(None));
    let back = Ok(Some("Order(\"order-17\") 2026:1250 1250 all CNY".to_owned()));
    assert_eq!(other("refund_fee", "12.50"), back);
}

#[test]
fn keys_that_are_none_are_refused_when_they_are_configured() {
    assert_eq!(Alipay::new("a", "not a key").err(), Some(KeyError::NotAPublicKey));
    assert_eq!(Alipay::new("a", "AAAA").err(), Some(KeyError::NotAPublicKey));
    assert_eq!(WeChat::new("m", &[], "short").err(), Some(KeyError::NotASecret));
    assert!(Alipay::new("a", &STANDARD.encode(OURS.public_key().as_ref())).is_ok());
}

proptest! {
    #[test]
    fn no_notification_is_too_odd(body: Vec<u8>, value in ".{0,60}", at in "t=[0-9]{1,20},v1=[0-9a-fé]{0,9}") {
        let alipay = Alipay::new("a", &pem(&OURS)).unwrap();
        let headers = [("stripe-signature", at.as_str()), ("wechatpay-timestamp", &value)];
        let services: [&dyn PaymentService; 2] = [&alipay, &Stripe::new("x")];
        for service in services {
            for body in [&body[..], value.as_bytes()] {
                let notification = Notification { headers: &headers, body };
                prop_assert!(service.verify(&notification, NOW).is_err());
            }
        }
    }
}
