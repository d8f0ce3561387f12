//! What goes back to the client.
//!
//! One body type for everything, so that the server need not box bodies: nothing, a whole body, or a stream that is
//! still being read from its provider. The call's [`Record`] lives inside, so that the receipt is made when the last
//! byte is gone, or when the client is.

use crate::headers;
use crate::http1::Lines;
use crate::keepalive::{News, Waiting};
use crate::record::Record;
use crate::stream::{CutOff, Streaming};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use sluicegate_vocabulary::{EndReason, Fault, FaultKind};
use sluicegate_wire::error;
use std::pin::Pin;
use std::task::{Context, Poll};

/// An answer on its way, without its record.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content,
}

/// The body of an answer.
pub(crate) enum Content {
    /// All of it.
    Whole(Bytes),
    /// What is still being read from the provider.
    Stream(Box<Streaming>),
    /// Nothing yet but signs of life.
    Waiting(Box<Waiting>),
}

impl Content {
    fn is_empty(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Stream(stream) => stream.size_hint().exact() == Some(0),
            Self::Waiting(_) => false,
        }
    }
}

/// The response body as hyper reads it.
pub struct ReplyBody {
    content: Option<Content>,
    record: Option<Record>,
}

impl ReplyBody {
    /// A body that belongs to no call.
    pub(crate) fn plain(bytes: impl Into<Bytes>) -> Self {
        Self { content: Some(Content::Whole(bytes.into())), record: None }
    }

    /// A body whose call is still on its way.
    pub(crate) fn waiting(waiting: Waiting) -> Self {
        Self { content: Some(Content::Waiting(Box::new(waiting))), record: None }
    }

    /// Writes the headers that are the call's own: its id, how long it waited, and what its limits have left.
    pub(crate) fn write_headers(&self, to: &mut impl Lines) {
        if let Some(record) = &self.record {
            record.write_headers(to);
        }
    }
}

impl Reply {
    /// Closes the answer over its record.
    pub(crate) fn seal(self, mut record: Record) -> Response<ReplyBody> {
        record.status(self.status.as_u16());
        let bodiless = matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if record.is_head() || bodiless || self.content.is_empty() {
            // Nobody will ask for a body, so nothing more can happen.
            record.finished_whole();
        }
        let mut response = Response::new(ReplyBody { content: Some(self.content), record: None });
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response.body_mut().record = Some(record);
        response
    }
}

/// The answer that tells a client of a fault, in its own dialect.
pub(crate) fn refuse(fault: &Fault, mut record: Record) -> Response<ReplyBody> {
    record.failed(fault);
    let rendered = error::render(fault, record.dialect(), record.id().as_str());
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in &rendered.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(*name, value);
        }
    }
    if let Some(value) = fault.refused_by.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
        headers.insert(&headers::X_SLUICEGATE_REFUSED_BY, value);
    }
    if !record.attempts().is_empty() {
        // Where we have tried again already, only a limit that passes with time is worth another round by the client.
        let again = || record.attempts().len() == 1 || fault.kind == FaultKind::UpstreamRateLimited;
        if !record.knows_retry().unwrap_or_else(again) {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
    }
    let status = StatusCode::from_u16(rendered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Reply { status, headers, content: Content::Whole(rendered.body.into()) }.seal(record)
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let this = &mut *self;
        if let Some(Content::Waiting(waiting)) = &mut this.content {
            match std::task::ready!(waiting.poll(cx)) {
                News::Comment(comment) => return Poll::Ready(Some(Ok(Frame::data(comment)))),
                News::Answer(content, record) => *this = Self { content: Some(content), record: Some(record) },
            }
        }
        let piece = match &mut this.content {
            None => None,
            Some(Content::Whole(_)) => match this.content.take() {
                Some(Content::Whole(bytes)) => {
                    if let Some(record) = &mut this.record {
                        record.finished_whole();
                    }
                    Some(bytes).filter(|bytes| !bytes.is_empty())
                }
                _ => None,
            },
            Some(Content::Stream(stream)) => match std::task::ready!(stream.poll_next(cx, &mut this.record)) {
                Some(Ok(piece)) => Some(piece),
                Some(Err(cut)) => return Poll::Ready(Some(Err(cut))),
                None => None,
            },
            Some(Content::Waiting(_)) => return Poll::Pending,
        };
        let Some(bytes) = piece else {
            this.content = None;
            this.record = None;
            return Poll::Ready(None);
        };
        if let Some(record) = &mut this.record {
            record.sent(&bytes);
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            None => true,
            Some(Content::Whole(bytes)) => bytes.is_empty(),
            Some(Content::Stream(_) | Content::Waiting(_)) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            None => SizeHint::with_exact(0),
            Some(Content::Whole(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            Some(Content::Stream(stream)) => stream.size_hint(),
            Some(Content::Waiting(_)) => SizeHint::default(),
        }
    }
}

/// A client that left in the middle of a stream is charged for what had been used until then.
impl Drop for ReplyBody {
    fn drop(&mut self) {
        if let (Some(Content::Stream(stream)), Some(record)) = (&self.content, &mut self.record) {
            stream.settle_usage(record);
        }
    }
}

impl std::fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplyBody").finish_non_exhaustive()
    }
}

impl Record {
    /// A whole body has been handed to the connection. A fault told in it has already said how the call ended.
    fn finished_whole(&mut self) {
        if !self.has_fault() {
            self.ended(EndReason::Done);
        }
    }
}
