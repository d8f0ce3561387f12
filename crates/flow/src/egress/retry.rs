//! What to do with a try that failed: again here, elsewhere, or give up.
//!
//! What helps depends on what went wrong. Another key helps against a quota and not against a dead server; another
//! provider helps against both; waiting helps against load and not against an empty account; nothing helps against a
//! malformed request. Which of these is tried in which order is one table, a row for each kind of failure. Around it
//! stand the rules that hold for all: nothing is tried once a byte has gone to the client, or beyond the deadline, or
//! when it cannot be paid for.
//!
//! Asking again the one who failed is paid for by him, from his [`RetryBudget`]. Asking another is not: what he could
//! answer does not depend on how the first one does. Both are paid for from what the candidates have in common, the
//! [`FailoverBudget`], so that a call that fails everywhere is no storm. What the one who failed cannot pay for is left
//! out, and what comes after it in the row is tried.
//!
//! Waits are drawn at random from nothing to a doubling bound, so that calls that failed together do not return
//! together. A target that says how long to wait is taken at its word and a little more.
//!
//! The client has its own retries. Told `should_retry: false` it keeps them: after ours are used up, three of its tries
//! at three of ours each would be a storm made of one call.

use crate::egress::budget::RetryBudget;
use crate::egress::failover::FailoverBudget;
use crate::egress::throttle::Throttle;
use crate::time::Nanos;
use sluicegate_vocabulary::AttemptResult;
use std::time::Duration;

/// A failed try and what is left to do.
#[derive(Debug, Clone, Copy)]
pub struct Failed {
    /// How it failed.
    pub result: AttemptResult,
    /// What was too much, where the target said so.
    pub throttle: Option<Throttle>,
    /// How long the target asks to wait.
    pub retry_after: Option<Duration>,
    /// What the target says about trying again (`x-should-retry`).
    pub should_retry: Option<bool>,
    /// Tries of this call at this candidate so far, this one included.
    pub tries: u32,
    /// Tries at one candidate after the first that are allowed.
    pub max_retries: u32,
    /// When the call must have its first byte.
    pub deadline: Nanos,
    /// Until when it may wait before it is sent again. What helps without a wait may come later.
    pub waits_until: Nanos,
    /// How long the first byte usually takes; nothing is tried that would come too late.
    pub first_byte: Duration,
    /// Another key of the same provider could be used.
    pub other_credential: bool,
    /// Another candidate is left.
    pub other_candidate: bool,
    /// Something has gone to the client.
    pub bytes_sent: bool,
    /// Doing it twice does no harm.
    pub repeatable: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Try the same again after a while.
    RetrySame {
        /// How long to wait first.
        after: Duration,
    },
    /// Try another key of the same provider, now.
    OtherCredential,
    /// Try the next candidate, now.
    OtherCandidate,
    /// Tell the client.
    GiveUp {
        /// Whether the client may try again (`x-should-retry`).
        should_retry: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Credential,
    /// The first time only.
    CredentialOnce,
    Candidate,
    /// The same again if the wait is short.
    SameSoon,
    /// The same again if the wait ends before the deadline.
    Same,
}

/// How a try failed, as far as it matters to what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// The target did not do its work.
    Server,
    /// It took too long. It may still be at it.
    Timeout,
    /// This key's requests or tokens are used up for a while.
    Quota,
    /// Too many at once, or too many more than just before.
    Crowded,
    /// The target itself is full, whoever asks.
    Overloaded,
    /// The key is refused.
    Key,
    /// The key has no money or no quota left.
    Spent,
    /// Nothing here can mend it.
    Final,
}

/// What is tried, in order; and whether the client may try again when nothing is left to try, first if we have not
/// repeated the call ourselves, then if we have.
const TABLE: [(Class, &[Step], [bool; 2]); 8] = [
    (Class::Server, &[Step::SameSoon, Step::Candidate, Step::Same], [true, false]),
    (Class::Timeout, &[Step::Candidate, Step::Same], [true, false]),
    // Its wait is known and is passed on, so the client's own try is no storm.
    (Class::Quota, &[Step::Credential, Step::SameSoon, Step::Candidate, Step::Same], [true, true]),
    (Class::Crowded, &[Step::Credential, Step::Candidate, Step::Same], [true, false]),
    (Class::Overloaded, &[Step::Candidate, Step::Same], [true, false]),
    (Class::Key, &[Step::CredentialOnce, Step::Candidate], [false, false]),
    (Class::Spent, &[Step::Credential, Step::Candidate], [false, false]),
    (Class::Final, &[], [false, false]),
];

/// The bound of the first wait; doubled with each try.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The largest bound.
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// A wait that is borne although something else could be tried.
const SOON: Duration = Duration::from_secs(5);
/// What is added to a wait that was asked for, at most, as a part of it.
const EXTRA: f64 = 0.2;

impl Failed {
    const fn class(&self) -> Class {
        match (self.throttle, self.result) {
            (Some(Throttle::Billing), _) => Class::Spent,
            (Some(Throttle::Concurrency { .. } | Throttle::Slope), _) => Class::Crowded,
            (Some(Throttle::Overloaded), _) | (None, AttemptResult::Overloaded) => Class::Overloaded,
            (Some(Throttle::QuotaRequests { .. } | Throttle::QuotaTokens { .. }), _)
            | (None, AttemptResult::RateLimited) => Class::Quota,
            (None, AttemptResult::Connect | AttemptResult::ServerError | AttemptResult::Broken) => Class::Server,
            (None, AttemptResult::Timeout) => Class::Timeout,
            (None, AttemptResult::AuthError) => Class::Key,
            (None, AttemptResult::ClientError | AttemptResult::Cancelled | AttemptResult::Ok) => Class::Final,
        }
    }

    /// The wait before the same target is tried again.
    fn wait(&self, draw: f64) -> Duration {
        let draw = draw.clamp(0.0, 1.0);
        match self.retry_after {
            Some(asked) => asked.saturating_add(asked.min(LONGEST_ASKED).mul_f64(EXTRA * draw)),
            None => {
                FIRST_WAIT.saturating_mul(1 << self.tries.saturating_sub(1).min(16)).min(LONGEST_WAIT).mul_f64(draw)
            }
        }
    }
}

/// Beyond this nothing is added to what was asked for.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// Who pays for another try.
#[derive(Debug, Clone, Copy)]
pub struct Payers<'a> {
    /// The one who failed; he pays for being asked again.
    pub own: &'a RetryBudget,
    /// All candidates together, where there are several; they pay for every try.
    pub all: Option<&'a FailoverBudget>,
}

/// Says what to do with a failed try, and lets it be paid for. `draw` is a number between 0 and 1 by chance.
#[must_use]
pub fn decide(failed: &Failed, payers: Payers<'_>, now: Nanos, draw: f64) -> Decision {
    let class = failed.class();
    let row = TABLE.iter().find(|(known, ..)| *known == class);
    let (steps, [fresh, repeated]) = row.map_or((&[][..], [false, false]), |&(_, steps, retry)| (steps, retry));
    let may_retry = if failed.tries > 1 { repeated } else { fresh };
    let give_up = Decision::GiveUp { should_retry: failed.should_retry.unwrap_or(true) && may_retry };
    if failed.bytes_sent || !failed.repeatable {
        return give_up;
    }
    let wait = failed.wait(draw);
    let in_time = |wait: Duration| {
        now.after(wait).after(failed.first_byte) < failed.deadline && now.after(wait) <= failed.waits_until
    };
    let at_once = now.after(failed.first_byte) < failed.deadline;
    let again = failed.tries <= failed.max_retries && failed.should_retry != Some(false) && in_time(wait);
    let possible = |step: &Step| match step {
        Step::Credential => failed.other_credential && at_once,
        Step::CredentialOnce => failed.other_credential && failed.tries == 1 && at_once,
        Step::Candidate => failed.other_candidate && at_once,
        Step::SameSoon => again && wait <= SOON,
        Step::Same => again,
    };
    if !steps.iter().any(possible) {
        return give_up;
    }
    let pays = |step: &&Step| **step == Step::Candidate || payers.own.withdraw(now, class == Class::Timeout);
    let step = steps.iter().filter(|step| possible(step)).find(pays);
    let Some(step) = step.filter(|_| payers.all.is_none_or(|all| all.withdraw(now))) else {
        return Decision::GiveUp { should_retry: false };
    };
    match step {
        Step::Credential | Step::CredentialOnce => Decision::OtherCredential,
        Step::Candidate => Decision::OtherCandidate,
        Step::SameSoon | Step::Same => Decision::RetrySame { after: wait },
    }
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
