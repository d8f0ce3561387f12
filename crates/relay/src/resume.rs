//! Going on with a stream that broke after some of it was sent.
//!
//! Off unless a model's entry says `resume: continue`, and then only for one answer of plain text
//! ([`is_simple`](sluicegate_wire::resume::is_simple)) from a model that can be given the beginning of its answer. When such
//! a stream breaks, the same model is asked again, wherever the route has it, with what the client has got as the
//! beginning; what comes goes on in the client's stream, which ends as if nothing had happened. If that cannot be had, the
//! stream ends with its error as always.
//!
//! The way of the new try is [`dispatch`](crate::dispatch), the same as of every other: breakers, keys, limits, the budget
//! for retries and the deadline hold. The call's [`Record`] goes along into it and comes back with what is to be sent; a
//! client that leaves meanwhile drops it there, which makes the receipt. So what a resumed call has tried and used is told
//! like all else, and what it has used before is added, since it is paid for.
//!
//! A stream that needs no translation goes by as it came. Beside it a translator of the format into itself follows, whose
//! words nobody hears until the stream breaks: then it is the one that knows how far the client's stream has come.

use crate::attempt::Brought;
use crate::call::{Caller, Plan, Request};
use crate::dispatch::dispatch;
use crate::prepare::upstream_format;
use crate::record::Record;
use crate::reply::{Content, Reply};
use crate::server::Worker;
use crate::snapshot::{Candidate, Snapshot};
use crate::stream::Streaming;
use bytes::Bytes;
use parking_lot::Mutex;
use sluicegate_vocabulary::{Blame, CallId, EndReason, Fault, Format, Usage};
use sluicegate_wire::resume::{Continues, is_simple};
use sluicegate_wire::translate::{Context, StreamTranslator};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// How often one stream is gone on with.
const MOST: u32 = 2;

/// What a try that goes on begins with.
#[derive(Debug)]
pub(crate) struct GoingOn {
    /// What the client has got.
    pub(crate) said: String,
    /// The tokens of it, about.
    pub(crate) tokens: u64,
}

/// All that it takes to ask again.
pub(crate) struct Again {
    pub(crate) worker: Arc<Worker>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) request: Request,
    pub(crate) caller: Caller,
    pub(crate) plan: Plan,
}

/// A stream that goes on.
pub(crate) struct Continued {
    pub(crate) streaming: Box<Streaming>,
    pub(crate) format: Format,
    pub(crate) form: Continues,
}

type Asking = Pin<Box<dyn Future<Output = (Record, Option<Continued>)> + Send>>;

/// What a stream needs in order to be gone on with.
pub(crate) struct Resume {
    again: Arc<Again>,
    broken_at: Arc<Candidate>,
    /// Follows a stream that is passed on as it comes.
    pub(crate) shadow: Option<Box<StreamTranslator>>,
    /// How often it may still be gone on with.
    pub(crate) left: u32,
    /// What the streams before the present one have used, and pieces of output that came in them.
    pub(crate) used: Usage,
    pub(crate) pieces: u64,
    /// The provider's own words about why it broke off, which the client need not hear if it goes on.
    pub(crate) withheld: Option<Bytes>,
    /// Bytes of text that had been sent when it broke.
    at: u64,
    /// Behind a mutex that nobody ever has to wait for: a stream is looked at by reference in futures that move between
    /// threads, and this one is only ever polled by its owner.
    pub(crate) asking: Option<Mutex<Asking>>,
}

/// Makes ready to go on with a reply, should it break, if that can be done.
pub(crate) fn attach(reply: &mut Reply, mut again: Again, candidate: &Arc<Candidate>, id: &CallId) {
    let Content::Stream(streaming) = &mut reply.content else { return };
    let request = &again.request;
    let Some(format) = request.endpoint.format().filter(|_| is_simple(&request.body)) else { return };
    let form = |other: &Arc<Candidate>| form(request, other);
    again.plan.candidates.retain(|other| other.model == candidate.model && form(other).is_some());
    if again.plan.candidates.is_empty() {
        return;
    }
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let context = || Context::unchanged(format, &candidate.model, request.head.include_usage, now_s, id.as_str());
    let shadow = (!streaming.is_translated()).then(|| Box::new(StreamTranslator::new(context()).remembering()));
    let resume = Resume {
        again: Arc::new(again),
        broken_at: Arc::clone(candidate),
        shadow,
        left: MOST,
        used: Usage::default(),
        pieces: 0,
        withheld: None,
        at: 0,
        asking: None,
    };
    streaming.resumable(Box::new(resume));
}

/// In which format a candidate is asked to go on, and how; `None` if it cannot be.
fn form(request: &Request, candidate: &Candidate) -> Option<(Format, Continues)> {
    let format = upstream_format(request, candidate)?;
    Some((format, candidate.quirks.continues.in_format(format)?))
}

/// Whether what broke a stream is something against which asking again can help. A shutdown is none, nor a limit on the
/// time for the whole.
pub(crate) fn may_help(fault: &Fault, end: EndReason) -> bool {
    let silent = end == EndReason::TimedOut && fault.code.as_deref() == Some("stream_idle_timeout");
    fault.kind.blame() == Blame::Upstream && (end == EndReason::Truncated || silent)
}

impl Resume {
    /// What was passed on, for the shadow.
    pub(crate) fn follow(&mut self, pieces: &[Bytes]) {
        let Some(shadow) = &mut self.shadow else { return };
        let mut unheard = Vec::new();
        for piece in pieces {
            // What it cannot read it cannot go on with, and says so when it is asked what was said.
            if shadow.push(piece, &mut unheard).is_err() {
                self.left = 0;
            }
            unheard.clear();
        }
    }

    /// Begins to ask again, if the budget bears it; gives the record back if not. `said` is what the client has got.
    pub(crate) fn begin(
        &mut self,
        said: String,
        (fault, end): (&Fault, EndReason),
        mut record: Record,
    ) -> Result<(), Record> {
        let (now, own) = (record.now(), &self.broken_at.standing.provider.budget);
        let all = self.again.plan.route.failovers.as_deref();
        if !all.is_none_or(|all| all.withdraw(now)) || !own.withdraw(now, end == EndReason::TimedOut) {
            return Err(record);
        }
        record.interrupted(fault, end);
        self.left -= 1;
        self.at = said.len() as u64;
        let again = Arc::clone(&self.again);
        let going_on = GoingOn { said, tokens: self.used.total_output() };
        self.asking = Some(Mutex::new(Box::pin(async move {
            let continued = again.ask(&going_on, &mut record).await;
            (record, continued)
        })));
        Ok(())
    }

    /// It goes on.
    pub(crate) fn resumed(&mut self, record: &mut Record) {
        self.withheld = None;
        record.resumed(self.at);
    }
}

impl Again {
    async fn ask(&self, going_on: &GoingOn, record: &mut Record) -> Option<Continued> {
        let Self { worker, snapshot, request, caller, plan } = self;
        let dispatched = dispatch(worker, request, caller, plan, snapshot, Some(going_on), record).await.ok()?;
        let (format, form) = form(request, &dispatched.candidate)?;
        let error = dispatched.answered.error;
        match dispatched.answered.content {
            Brought::Stream(streaming) => Some(Continued { streaming, format, form }),
            // It was asked for a stream. What it said instead is paid for all the same.
            Brought::Whole(_, usage) => {
                record.usage(usage.filter(|_| error.is_none()).unwrap_or_default());
                None
            }
        }
    }
}
