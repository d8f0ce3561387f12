use super::*;
use secrecy::SecretString;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

/// What a receiver was sent: the head, in lower case, and the body.
type Heard = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A server that answers with these statuses in turn, and with the last for ever; 0 closes without an answer.
fn server(statuses: &'static [u16]) -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, heard) = (listener.local_addr().unwrap(), Heard::default());
    let hears = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
            let message = loop {
                let Ok(n @ 1..) = stream.read(&mut piece) else { break None };
                bytes.extend_from_slice(&piece[..n]);
                let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
                let length: usize = field(&head, "content-length").parse().unwrap();
                if bytes.len() >= end + 4 + length {
                    break Some((head, bytes[end + 4..].to_vec()));
                }
            };
            let Some(message) = message else { continue };
            let number = {
                let mut heard = hears.lock();
                heard.push(message);
                heard.len() - 1
            };
            let status = *statuses.get(number).or(statuses.last()).unwrap();
            if status != 0 {
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    (address, heard)
}

fn field<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

fn receiver(address: SocketAddr) -> Receiver {
    Receiver {
        name: "pager".to_owned(),
        url_source: String::new(),
        url: SecretString::from(format!("http://{address}/hook?token=x")),
        source: String::new(),
        secret: SecretString::from("secret"),
        when: vec!["migration".to_owned()],
    }
}

fn event(number: u64) -> Arc<Event> {
    Arc::new(Event {
        id: format!("evt_{number}"),
        kind: "migration.rolled_back".to_owned(),
        version: 1,
        at: String::new(),
        level: "page",
        relay: "r".to_owned(),
        summary: "it went back".to_owned(),
        data: serde_json::json!({ "migration": "m" }),
    })
}

/// What came of events, in order.
fn opened(address: SocketAddr) -> (Line, Arc<Mutex<Vec<&'static str>>>) {
    let came = Arc::<Mutex<Vec<_>>>::default();
    let says = Arc::clone(&came);
    (Line::open(receiver(address), Duration::from_millis(1), move |outcome| says.lock().push(outcome)), came)
}

async fn until(is_so: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn the_signature_is_that_of_any_other_implementation() {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
    assert_eq!(signature(&key, 1, b"{}"), "t=1,v1=1122767b193110cfec322b6f199b599edbf608ed087f2d27afb0b97d99523908");
}

#[tokio::test]
async fn what_is_told_is_signed_and_sent_again_until_it_is_taken() {
    let (address, heard) = server(&[500, 0, 429, 204]);
    let (line, came) = opened(address);
    assert!(line.put(&event(1)));
    until(|| came.lock().last() == Some(&"delivered")).await;
    assert_eq!(*came.lock(), ["retried", "retried", "retried", "delivered"]);
    let heard = heard.lock();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
    assert_eq!(heard.len(), 4);
    for (head, body) in heard.iter() {
        assert!(head.starts_with("post /hook?token=x http/1.1"), "{head}");
        assert_eq!(
            (field(head, "x-sluicegate-delivery"), field(head, "x-sluicegate-event")),
            ("evt_1", "migration.rolled_back")
        );
        let seconds = field(head, "x-sluicegate-signature").strip_prefix("t=").unwrap().split(',').next().unwrap();
        assert_eq!(field(head, "x-sluicegate-signature"), signature(&key, seconds.parse().unwrap(), body));
        let told: serde_json::Value = serde_json::from_slice(body).unwrap();
        assert_eq!(
            (told["type"].as_str(), told["summary"].as_str()),
            (Some("migration.rolled_back"), Some("it went back"))
        );
    }
}

#[tokio::test]
async fn a_refusal_is_final_and_the_next_event_is_told() {
    let (address, heard) = server(&[400, 200]);
    let (line, came) = opened(address);
    assert!(line.put(&event(1)) && line.put(&event(2)));
    until(|| came.lock().len() == 2).await;
    assert_eq!(*came.lock(), ["refused", "delivered"]);
    assert_eq!(field(&heard.lock()[1].0, "x-sluicegate-delivery"), "evt_2");
}

#[tokio::test]
async fn nobody_waits_for_a_receiver_that_does_not_answer_and_its_queue_is_bounded() {
    // Accepts nobody.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (line, came) = opened(listener.local_addr().unwrap());
    let taken = (0..2_000).filter(|number| line.put(&event(*number))).count();
    assert_eq!((taken, came.lock().len()), (WAITING, 0));
    // One is on its way soon, so there is room for one more and no other.
    until(|| line.put(&event(0))).await;
    assert!(!line.put(&event(0)));
}

#[tokio::test]
async fn one_that_never_takes_it_is_given_up() {
    let (address, heard) = server(&[503]);
    let (line, came) = opened(address);
    assert!(line.put(&event(1)));
    until(|| came.lock().last() == Some(&"given_up")).await;
    assert_eq!((heard.lock().len(), came.lock().len()), (TRIES as usize, TRIES as usize));
}
