//! What can go wrong with a provider, and what shall come of it.
//!
//! Two tables. [`FAULTS`] says how each fault looks from here, buffered and streamed; [`Failure::law`] says what a client
//! is told when nothing else is left to try, and who else could help. An outcome follows from these two and from what
//! there is to choose from; no cell of the matrix has one of its own.

use sluicegate_vocabulary::{AttemptResult, EndReason, FaultKind};

/// Where the fault lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The provider does it, ordered by these markers.
    Provider(&'static str),
    /// Nobody listens at its address.
    Nobody,
    /// It does not speak TLS where TLS is wanted.
    NoTls,
}

/// How a fault looks from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looks {
    /// It changes nothing that matters.
    Harmless,
    /// There is no answer to give the client.
    Before(Failure),
    /// The answer broke after its first part had gone to the client.
    Within(EndReason),
    /// The last one for the formats whose end mark is missing; chat's is only a formality.
    NoMark,
}

/// A way to have no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Unreachable,
    Server,
    /// It points somewhere else, where nobody goes.
    Elsewhere,
    Broken,
    /// An answer over time.
    Slow,
    /// It says itself that something behind it was too slow.
    GatewayTimeout,
    Quota,
    /// A quota that nobody can wait for.
    LongQuota,
    Crowded,
    Overloaded,
    Key,
    Spent,
    BadRequest,
    TooLong,
    NoModel,
    TooLarge,
}

/// What holds for a failure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Law {
    /// What the receipt says of the try.
    pub(crate) result: AttemptResult,
    /// What the client is told in the end.
    pub(crate) kind: FaultKind,
    pub(crate) end: EndReason,
    /// Who can help.
    pub(crate) help: Help,
    /// The same again may help, so it is tried again where nobody else is left.
    pub(crate) again: bool,
    /// What the client is told about trying again after we have repeated the call as often as we may.
    pub(crate) should_retry: bool,
}

/// Who can help against a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Help {
    /// Nobody: the request is at fault.
    Nobody,
    /// Another provider.
    Provider,
    /// Another key of the same provider, or another provider.
    Key,
}

impl Failure {
    pub(crate) const fn law(self) -> Law {
        use AttemptResult as R;
        use EndReason as E;
        use FaultKind as K;
        const fn law(result: R, kind: K, end: E, help: Help, again: bool, should_retry: bool) -> Law {
            Law { result, kind, end, help, again, should_retry }
        }
        match self {
            Self::Unreachable => law(R::Connect, K::UpstreamUnreachable, E::UpstreamError, Help::Provider, true, false),
            Self::Server => law(R::ServerError, K::UpstreamBroken, E::UpstreamError, Help::Key, true, false),
            Self::Elsewhere => law(R::ServerError, K::UpstreamBroken, E::UpstreamError, Help::Provider, true, false),
            Self::Broken => law(R::Broken, K::UpstreamBroken, E::UpstreamError, Help::Key, true, false),
            Self::Slow => law(R::Timeout, K::Timeout, E::TimedOut, Help::Provider, true, false),
            Self::GatewayTimeout => law(R::Timeout, K::Timeout, E::TimedOut, Help::Provider, true, false),
            Self::Quota => law(R::RateLimited, K::UpstreamRateLimited, E::UpstreamError, Help::Key, true, true),
            Self::LongQuota => law(R::RateLimited, K::UpstreamRateLimited, E::UpstreamError, Help::Key, false, false),
            Self::Crowded => law(R::RateLimited, K::UpstreamRateLimited, E::UpstreamError, Help::Key, true, false),
            Self::Overloaded => {
                law(R::Overloaded, K::UpstreamOverloaded, E::UpstreamError, Help::Provider, true, false)
            }
            Self::Key => law(R::AuthError, K::UpstreamAuth, E::UpstreamError, Help::Key, false, false),
            Self::Spent => law(R::AuthError, K::UpstreamAuth, E::UpstreamError, Help::Key, false, false),
            Self::BadRequest => law(R::ClientError, K::BadRequest, E::ClientError, Help::Nobody, false, false),
            Self::TooLong => law(R::ClientError, K::ContextLength, E::ClientError, Help::Nobody, false, false),
            Self::NoModel => law(R::ClientError, K::UnknownModel, E::ClientError, Help::Nobody, false, false),
            Self::TooLarge => law(R::ClientError, K::BodyTooLarge, E::ClientError, Help::Nobody, false, false),
        }
    }
}

/// One fault.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    pub(crate) buffered: Looks,
    pub(crate) streamed: Looks,
}

const fn row(name: &'static str, orders: &'static str, buffered: Looks, streamed: Looks) -> Fault {
    Fault { name, place: Place::Provider(orders), buffered, streamed }
}

const fn before(name: &'static str, orders: &'static str, failure: Failure) -> Fault {
    row(name, orders, Looks::Before(failure), Looks::Before(failure))
}

const fn harmless(name: &'static str, orders: &'static str) -> Fault {
    row(name, orders, Looks::Harmless, Looks::Harmless)
}

const CUT: Looks = Looks::Within(EndReason::Truncated);
const BROKEN: Looks = Looks::Before(Failure::Broken);
const UNREACHABLE: Looks = Looks::Before(Failure::Unreachable);

/// Every fault there is.
pub(crate) const FAULTS: &[Fault] = &[
    // Nothing is wrong, or only the form is unusual.
    harmless("none", "[[sim:tokens=40]]"),
    harmless("slow head", "[[sim:slow-headers=300ms]]"),
    harmless("short stall", "[[sim:stall=300ms@8]]"),
    harmless("lines end with CR LF", "[[sim:crlf]]"),
    harmless("byte by byte", "[[sim:split]]"),
    harmless("comments in between", "[[sim:keepalive]]"),
    harmless("compressed", "[[sim:gzip]]"),
    harmless("no usage", "[[sim:no-usage]]"),
    harmless("wrong content type", "[[sim:content-type=text/plain]]"),
    harmless("silence after the end", "[[sim:linger=60s]]"),
    // The way there.
    Fault { name: "refused connection", place: Place::Nobody, buffered: UNREACHABLE, streamed: UNREACHABLE },
    Fault { name: "TLS failure", place: Place::NoTls, buffered: UNREACHABLE, streamed: UNREACHABLE },
    before("reset before the head", "[[sim:reset]]", Failure::Unreachable),
    before("late head", "[[sim:slow-headers=60s]]", Failure::Slow),
    row("late first byte", "[[sim:stall=60s@0]]", Looks::Before(Failure::Slow), Looks::Before(Failure::Slow)),
    // What it answers.
    before("500", "[[sim:status=500]]", Failure::Server),
    before("502", "[[sim:status=502]]", Failure::Server),
    before("502 from a proxy", "[[sim:status=502]][[sim:page]]", Failure::Server),
    before("503", "[[sim:status=503]]", Failure::Overloaded),
    before("503 from a proxy", "[[sim:status=503]][[sim:page]]", Failure::Overloaded),
    before("504", "[[sim:status=504]]", Failure::GatewayTimeout),
    before("529", "[[sim:status=529]]", Failure::Overloaded),
    before("overloaded", "[[sim:throttle=overloaded]]", Failure::Overloaded),
    before("429 requests", "[[sim:throttle=requests]]", Failure::Quota),
    before("429 tokens", "[[sim:throttle=tokens]]", Failure::Quota),
    before("429 for a day", "[[sim:throttle=day]]", Failure::LongQuota),
    before("429 concurrency", "[[sim:throttle=concurrency]]", Failure::Crowded),
    before("429 slope", "[[sim:throttle=slope]][[sim:retry-after=200ms]]", Failure::Crowded),
    before("billing", "[[sim:throttle=billing]]", Failure::Spent),
    before("402", "[[sim:status=402]]", Failure::Spent),
    before("401", "[[sim:status=401]]", Failure::Key),
    before("bad key", "[[sim:bad-key]]", Failure::Key),
    before("403", "[[sim:status=403]]", Failure::Key),
    before("400", "[[sim:status=400]]", Failure::BadRequest),
    before("422", "[[sim:status=422]]", Failure::BadRequest),
    before("413", "[[sim:status=413]]", Failure::TooLarge),
    before("context length", "[[sim:context-length]]", Failure::TooLong),
    before("unknown model", "[[sim:no-model]]", Failure::NoModel),
    before("redirect", "[[sim:redirect]]", Failure::Elsewhere),
    // A success that is none.
    before("empty 200", "[[sim:empty]]", Failure::Broken),
    before("page with 200", "[[sim:page]]", Failure::Broken),
    before("error with 200", "[[sim:error-200]]", Failure::Overloaded),
    row("garbage first", "[[sim:malformed=1]]", BROKEN, BROKEN),
    // A stream that breaks; whole answers break with it.
    row("garbage in the middle", "[[sim:malformed=8]]", BROKEN, CUT),
    row("error in the middle", "[[sim:error-in-stream=8]]", Looks::Before(Failure::Overloaded), CUT),
    row("ends early", "[[sim:truncate=8]]", BROKEN, CUT),
    row("closed early", "[[sim:cut=8]]", BROKEN, CUT),
    row("reset in the middle", "[[sim:reset=8]]", BROKEN, CUT),
    row("falls silent", "[[sim:stall=60s@8]]", Looks::Before(Failure::Slow), Looks::Within(EndReason::TimedOut)),
    row("no end mark", "[[sim:no-done]]", Looks::Harmless, Looks::NoMark),
];
