//! A server that makes tokens, step by step.
//!
//! What a server of a language model does under load follows from a few facts about how it works: it computes in steps,
//! each of which gives one token to every answer under way and reads a bounded number of input tokens; a step takes
//! longer the more there is in it; all that is being read or written must fit in its memory, and what no longer fits is
//! put back and read again later. From these follow the sharp knee in the time of the first token, and the long
//! plateau before it, that a limit on calls in flight has to find. This is a model of one such server, coarse and fast:
//! it ranks laws against each other and predicts no number of a real server.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// How large and how fast a server is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Machine {
    /// Answers it can work at together.
    pub(crate) slots: usize,
    /// Tokens of input and output that fit in its memory.
    pub(crate) memory: u64,
    /// Input tokens it reads in one step at most.
    pub(crate) chunk: u64,
    /// Seconds a step takes with nothing in it.
    pub(crate) step: f64,
    /// Seconds that each answer under way adds to a step.
    pub(crate) per_answer: f64,
    /// Seconds that each input token adds to a step.
    pub(crate) per_input_token: f64,
}

/// A call as the server sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    /// The caller's number for it.
    pub(crate) id: usize,
    pub(crate) input: u64,
    pub(crate) output: u64,
    /// When its caller no longer waits for the first token, in seconds.
    pub(crate) gives_up: f64,
}

/// What a step brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happened {
    FirstToken(usize),
    Done(usize),
    /// Its caller had gone before it was looked at.
    GaveUp(usize),
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    job: Job,
    left: u64,
    /// The first token has gone out already: it was put back.
    begun: bool,
}

#[derive(Debug, Clone, Copy)]
struct Writing {
    job: Job,
    since: u64,
}

/// A server at work.
#[derive(Debug)]
pub(crate) struct Engine {
    machine: Machine,
    /// A factor on the time of all it does, and a part of its memory that is there.
    slowness: f64,
    memory_part: f64,
    waiting: VecDeque<Reading>,
    reading: VecDeque<Reading>,
    /// By their place in `writing`, the step in which each ends.
    ends: BinaryHeap<Reverse<(u64, usize)>>,
    writing: Vec<Option<Writing>>,
    /// The order in which they began to write.
    order: Vec<(u64, usize)>,
    under_way: usize,
    used: u64,
    steps: u64,
}

impl Engine {
    pub(crate) fn new(machine: Machine) -> Self {
        Self {
            machine,
            slowness: 1.0,
            memory_part: 1.0,
            waiting: VecDeque::new(),
            reading: VecDeque::new(),
            ends: BinaryHeap::new(),
            writing: Vec::new(),
            order: Vec::new(),
            under_way: 0,
            used: 0,
            steps: 0,
        }
    }

    /// Loses half of its capacity, or gets it back.
    pub(crate) fn halve(&mut self, half: bool) {
        (self.slowness, self.memory_part) = if half { (2.0, 0.5) } else { (1.0, 1.0) };
    }

    pub(crate) fn submit(&mut self, job: Job) {
        self.waiting.push_back(Reading { job, left: job.input.max(1), begun: false });
    }

    /// Whether it has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.reading.is_empty() && self.under_way == 0
    }

    /// Takes one step that begins at `now`; returns how long it takes, and fills `happened` with what is there at its end.
    pub(crate) fn step(&mut self, now: f64, happened: &mut Vec<Happened>) -> f64 {
        self.steps += 1;
        self.make_room();
        self.admit(now, happened);
        let writing = self.under_way as u64;
        let read = self.read(self.machine.chunk.saturating_sub(writing), happened);
        self.used += writing;
        self.finish(happened);
        let machine = &self.machine;
        (machine.step + machine.per_answer * writing as f64 + machine.per_input_token * read as f64) * self.slowness
    }

    fn room(&self) -> u64 {
        ((self.machine.memory as f64 * self.memory_part) as u64).saturating_sub(self.used)
    }

    /// Puts back those that began last until the next token of everybody fits.
    fn make_room(&mut self) {
        while self.room() < self.under_way as u64 && self.under_way > 1 {
            let Some((began, place)) = self.order.pop() else { return };
            let Some(slot) = self.writing.get_mut(place) else { continue };
            let Some(Writing { job, since }) = slot.filter(|writing| writing.since == began) else { continue };
            *slot = None;
            let written = self.steps.saturating_sub(since + 1);
            self.under_way -= 1;
            self.used = self.used.saturating_sub(job.input + written);
            let job = Job { input: job.input + written, output: job.output.saturating_sub(written).max(1), ..job };
            self.waiting.push_front(Reading { job, left: job.input, begun: true });
        }
    }

    fn admit(&mut self, now: f64, happened: &mut Vec<Happened>) {
        while let Some(next) = self.waiting.front() {
            if !next.begun && next.job.gives_up < now {
                happened.push(Happened::GaveUp(next.job.id));
                self.waiting.pop_front();
                continue;
            }
            let full = self.under_way + self.reading.len() >= self.machine.slots;
            let alone = self.under_way + self.reading.len() == 0;
            if full || (next.job.input > self.room() && !alone) {
                return;
            }
            self.used += next.job.input;
            self.reading.extend(self.waiting.pop_front());
        }
    }

    fn read(&mut self, mut budget: u64, happened: &mut Vec<Happened>) -> u64 {
        let before = budget;
        while let Some(reading) = self.reading.front_mut().filter(|_| budget > 0) {
            let part = reading.left.min(budget);
            reading.left -= part;
            budget -= part;
            if reading.left > 0 {
                break;
            }
            let Reading { job, begun, .. } = *reading;
            self.reading.pop_front();
            if !begun {
                happened.push(Happened::FirstToken(job.id));
            }
            self.write(job);
        }
        before - budget
    }

    fn write(&mut self, job: Job) {
        let place = self.writing.iter().position(Option::is_none).unwrap_or_else(|| {
            self.writing.push(None);
            self.writing.len() - 1
        });
        if let Some(slot) = self.writing.get_mut(place) {
            *slot = Some(Writing { job, since: self.steps });
        }
        self.order.push((self.steps, place));
        self.ends.push(Reverse((self.steps + job.output, place)));
        self.under_way += 1;
    }

    fn finish(&mut self, happened: &mut Vec<Happened>) {
        while let Some(&Reverse((step, place))) = self.ends.peek().filter(|Reverse((step, _))| *step <= self.steps) {
            self.ends.pop();
            let Some(slot) = self.writing.get_mut(place) else { continue };
            // Another may have come to this place since the one that was to end here was put back.
            let Some(writing) = slot.filter(|writing| writing.since + writing.job.output == step) else { continue };
            *slot = None;
            self.under_way -= 1;
            self.used = self.used.saturating_sub(writing.job.input + (step - writing.since));
            happened.push(Happened::Done(writing.job.id));
        }
        if self.order.len() > 4 * self.writing.len() + 16 {
            let Self { order, writing, .. } = self;
            order.retain(|&(began, place)| writing.get(place).copied().flatten().is_some_and(|it| it.since == began));
        }
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
