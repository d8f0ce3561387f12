//! A provider that writes down when each request arrives and does what it is told.
//!
//! It has a thread of its own, so that the load beside it does not hold up its clock.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::{mpsc, oneshot};

use super::order::Order;
use crate::Outcome;

/// Time between two events of a stream.
const BEAT: Duration = Duration::from_millis(25);
const SECOND: Duration = Duration::from_secs(1);

/// A request that has arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    pub(crate) order: Order,
}

type Arrivals = Arc<Mutex<Vec<Arrival>>>;

/// What the provider has admitted in the last second, if it allows only so much in any. What it refuses does not count.
struct Gate {
    most: Option<usize>,
    admitted: VecDeque<Instant>,
}

impl Gate {
    fn admits(&mut self, at: Instant) -> bool {
        let Some(most) = self.most else { return true };
        while self.admitted.front().is_some_and(|first| at.saturating_duration_since(*first) >= SECOND) {
            self.admitted.pop_front();
        }
        let admits = self.admitted.len() < most;
        if admits {
            self.admitted.push_back(at);
        }
        admits
    }
}

/// The provider, until it is dropped.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    arrivals: Arrivals,
    _until: oneshot::Sender<()>,
}

impl Provider {
    /// Starts one. With `most` it refuses what exceeds so many requests in any second.
    pub(crate) fn start(most: Option<usize>) -> Outcome<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let arrivals = Arrivals::default();
        let (until, end) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let book = Arc::clone(&arrivals);
        std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, book, most) => {}
                    _ = end => {}
                }
            });
        });
        Ok(Self { address, arrivals, _until: until })
    }

    /// What has arrived, in order of time.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone();
        arrivals.sort_by_key(|arrival| arrival.at);
        arrivals
    }
}

async fn serve(listener: std::net::TcpListener, book: Arrivals, most: Option<usize>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let gate = Arc::new(Mutex::new(Gate { most, admitted: VecDeque::new() }));
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let (book, gate) = (Arc::clone(&book), Arc::clone(&gate));
        let service = service_fn(move |request| {
            let at = Instant::now();
            let admitted = gate.lock().unwrap_or_else(PoisonError::into_inner).admits(at);
            answer(request, at, admitted, Arc::clone(&book))
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(request: Request<Incoming>, at: Instant, admitted: bool, book: Arrivals) -> Answer<Response<Events>> {
    let body = request.into_body().collect().await?.to_bytes();
    let order = Order::read(&body).map_err(|error| error.to_string())?;
    book.lock().unwrap_or_else(PoisonError::into_inner).push(Arrival { at, order });
    let (send, events) = mpsc::channel(4);
    if !admitted {
        let why = r#"{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}"#;
        let _ = send.send(Bytes::from_static(why.as_bytes())).await;
        let refused = Response::builder().status(StatusCode::TOO_MANY_REQUESTS);
        return Ok(refused.header(CONTENT_TYPE, "application/json").body(Events(events))?);
    }
    let usage = format!(
        r#"{{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{}}}"#,
        order.input,
        order.output,
        order.tokens()
    );
    let number = order.number;
    if !order.stream {
        tokio::time::sleep(order.takes).await;
        let whole = format!(
            r#"{{"id":"c-{number}","object":"chat.completion","created":1,"model":"gpt-4.1-mini","choices":[{{"index":0,"message":{{"role":"assistant","content":"Yes."}},"finish_reason":"stop"}}],"usage":{usage}}}"#
        );
        let _ = send.send(Bytes::from(whole)).await;
        return Ok(Response::builder().header(CONTENT_TYPE, "application/json").body(Events(events))?);
    }
    tokio::spawn(async move {
        let until = Instant::now() + order.takes;
        let event = |delta: &str, end: &str| {
            Bytes::from(format!(
                "data: {{\"id\":\"c-{number}\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4.1-mini\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{end}}}]}}\n\n"
            ))
        };
        while Instant::now() < until {
            if send.send(event(r#"{"content":"yes "}"#, "null")).await.is_err() {
                return;
            }
            tokio::time::sleep(BEAT).await;
        }
        let last = format!(
            "data: {{\"id\":\"c-{number}\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4.1-mini\",\"choices\":[],\"usage\":{usage}}}\n\ndata: [DONE]\n\n"
        );
        let _ = send.send(event("{}", "\"stop\"")).await;
        let _ = send.send(Bytes::from(last)).await;
    });
    Ok(Response::builder().header(CONTENT_TYPE, "text/event-stream").body(Events(events))?)
}

/// The outcome of a request; its error may cross threads.
type Answer<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A body made of what comes through a channel.
struct Events(mpsc::Receiver<Bytes>);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}
